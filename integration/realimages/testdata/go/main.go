// Command service answers HTTP requests with ids.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/google/uuid"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, uuid.New())
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
