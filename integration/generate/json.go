package generate

import (
	"encoding/json"
	"fmt"
	"strings"
)

// quote returns s as a JSON string.
func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("a string does not marshal: %v", err)) // strings always marshal
	}
	return string(data)
}

func quoteAll(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quote(s)
	}
	return strings.Join(out, ",")
}
