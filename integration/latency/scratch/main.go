// Command scratch is a frontend that returns an empty result. The duration of a build with it
// is the minimum for any frontend image.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	"github.com/moby/buildkit/util/appcontext"
)

func main() {
	err := grpcclient.RunFromEnvironment(appcontext.Context(), func(context.Context, client.Client) (*client.Result, error) {
		return client.NewResult(), nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "scratch:", err)
		os.Exit(1)
	}
}
