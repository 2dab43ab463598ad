// Command dockerfile-frontend is the frontend program in the frontend image. BuildKit starts
// the program and communicates with it over standard input and output, through the gateway
// protocol.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	"github.com/moby/buildkit/util/appcontext"

	// It registers the types of error details.
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

// buildVersion returns the module version in the build information of the program.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
