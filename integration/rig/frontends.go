package rig

import (
	"context"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/toolbox"
)

// The two frontends as repositories of the rig's registry.
const (
	oursRepository     = "slipway/dockerfile:1"
	upstreamRepository = "upstream/dockerfile:1"
)

// The two frontends, by the reference that a # syntax line names. Builders that
// do not know Registry reach them below Rig.Addr.
const (
	Ours     = Registry + "/" + oursRepository
	Upstream = Registry + "/" + upstreamRepository
)

// PushFrontends makes the images of both frontends, for this machine's platform,
// and sends them to the rig's registry.
func (r *Rig) PushFrontends(ctx context.Context) error {
	root, err := toolbox.Root()
	if err != nil {
		return err
	}
	binaries, err := frontendimage.Compile(ctx, root, []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}})
	if err != nil {
		return err
	}
	if err := r.pushFrontend(ctx, oursRepository, binaries); err != nil {
		return err
	}
	if binaries, err = frontendimage.Upstream(ctx, os.Stderr); err != nil {
		return err
	}
	return r.pushFrontend(ctx, upstreamRepository, binaries)
}

func (r *Rig) pushFrontend(ctx context.Context, repository string, binaries []frontendimage.Binary) error {
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return err
	}
	return r.PushImage(ctx, repository, index)
}
