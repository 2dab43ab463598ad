// Command dockerfile-frontend is what the frontend image runs: a builder starts
// it and talks to it through standard input and output.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	"github.com/moby/buildkit/util/appcontext"

	// Error details travel in this encoding.
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto"

	"slipway/frontend"
)

func main() {
	version := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *version {
		fmt.Println("slipway dockerfile-frontend", buildVersion())
		return
	}
	if err := grpcclient.RunFromEnvironment(appcontext.Context(), frontend.Build); err != nil {
		fmt.Fprintln(os.Stderr, "dockerfile-frontend:", err)
		os.Exit(1)
	}
}

// buildVersion returns the module version that Go records.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
