// Command known is a frontend for command latency: it returns the result of the measured build
// without reading a Dockerfile. The duration of a build with it, minus the duration with command
// scratch, is the time that the builder itself needs for the result.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	"github.com/moby/buildkit/util/appcontext"
)

func main() {
	if err := grpcclient.RunFromEnvironment(appcontext.Context(), build); err != nil {
		fmt.Fprintln(os.Stderr, "known:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, c client.Client) (*client.Result, error) {
	busybox := llb.Image("docker.io/library/busybox:latest")
	local := llb.Local("context", llb.SessionID(c.BuildOpts().SessionID), llb.SharedKeyHint("context"))
	tools := busybox.Run(llb.Shlex(`sh -c "echo tools > /tools"`)).Root()
	source := busybox.File(llb.Mkdir("/src", 0o755)).
		File(llb.Copy(local, "/", "/src", &llb.CopyInfo{CopyDirContentsOnly: true}))
	built := source.Dir("/src").Run(llb.Shlex(`sh -c "cat main.c > /out"`)).Root()
	out := llb.Scratch().File(llb.Copy(tools, "/tools", "/")).File(llb.Copy(built, "/out", "/"))
	def, err := out.Marshal(ctx, llb.WithCaps(c.BuildOpts().LLBCaps))
	if err != nil {
		return nil, err
	}
	return c.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
}
