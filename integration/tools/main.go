// Command tools builds the named tools, the programs that tests, linting and the demo use. It
// writes them to bin/tools and skips tools that are up to date.
//
//	go run ./integration/tools NAME...
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"slipway/integration/toolbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprintf(os.Stderr, "usage: go run ./integration/tools NAME...\nnames: %s\n", strings.Join(toolbox.Names(), " "))
		os.Exit(2)
	}
	for _, name := range os.Args[1:] {
		if _, err := toolbox.Path(ctx, os.Stderr, name); err != nil {
			fmt.Fprintln(os.Stderr, "tools:", err)
			os.Exit(1)
		}
	}
}
