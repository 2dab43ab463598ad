// Command frontend is an example of a BuildKit frontend. It builds an image from a YAML file:
//
//	# syntax=frontend
//	from: alpine:3.22
//	run:
//	  - echo hello > /greeting
//	cmd: [cat, /greeting]
//
// BuildKit and slipway build start the command as the entrypoint of a frontend image.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	"github.com/moby/buildkit/util/appcontext"
	v1 "github.com/moby/docker-image-spec/specs-go/v1"
	"go.yaml.in/yaml/v3"
)

// file is the content of the YAML file.
type file struct {
	From string   // image to start from, or scratch
	Run  []string // commands for /bin/sh
	Cmd  []string // command of the image
}

func main() {
	if err := grpcclient.RunFromEnvironment(appcontext.Context(), build); err != nil {
		fmt.Fprintln(os.Stderr, "frontend:", err)
		os.Exit(1)
	}
}

// build reads the YAML file and returns the image that it describes.
func build(ctx context.Context, c client.Client) (*client.Result, error) {
	f, err := read(ctx, c, c.BuildOpts().Opts["filename"])
	if err != nil {
		return nil, err
	}
	st := llb.Scratch()
	if f.From != "scratch" {
		st = llb.Image(f.From)
	}
	for _, command := range f.Run {
		st = st.Run(llb.Args([]string{"/bin/sh", "-c", command}), llb.WithCustomName(command)).Root()
	}
	res, err := solve(ctx, c, st)
	if err != nil {
		return nil, err
	}
	var image v1.DockerOCIImage
	image.OS, image.Architecture, image.Config.Cmd = "linux", c.BuildOpts().Workers[0].Platforms[0].Architecture, f.Cmd
	config, err := json.Marshal(image)
	res.AddMeta(exptypes.ExporterImageConfigKey, config)
	return res, err
}

// read reads a YAML file in the directory of the Dockerfile.
func read(ctx context.Context, c client.Client, name string) (f file, err error) {
	res, err := solve(ctx, c, llb.Local("dockerfile", llb.IncludePatterns([]string{name}), llb.SessionID(c.BuildOpts().SessionID), llb.WithCustomName("load "+name)))
	if err != nil {
		return f, err
	}
	data, err := res.Ref.ReadFile(ctx, client.ReadRequest{Filename: name})
	if err != nil {
		return f, err
	}
	if err := yaml.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// solve solves an LLB state and returns the result.
func solve(ctx context.Context, c client.Client, st llb.State) (*client.Result, error) {
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	return c.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
}
