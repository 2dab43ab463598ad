package rig

import (
	"context"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/programimage"
	"slipway/integration/toolbox"
)

// Names of the two frontend repositories in the rig's registry.
const (
	oursRepository     = "slipway/dockerfile:1"
	upstreamRepository = "upstream/dockerfile:1"
)

// References to the two frontend images, for a # syntax line. Builders that cannot resolve the
// host name [Registry] must use Rig.Addr in its place.
const (
	Ours     = Registry + "/" + oursRepository
	Upstream = Registry + "/" + upstreamRepository
)

// PushFrontends compiles both frontend images for the platform of this machine and pushes them
// to the rig's registry.
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

func (r *Rig) pushFrontend(ctx context.Context, repository string, binaries []programimage.Binary) error {
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return err
	}
	return r.PushImage(ctx, repository, index)
}
