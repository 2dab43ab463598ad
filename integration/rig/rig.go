package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/moby/buildkit/client"

	"slipway/integration/baseimage"
	"slipway/integration/contained"
	"slipway/integration/toolbox"
)

// Registry is the name by which the builder finds the rig's registry whatever
// its port is; outside the builder use Rig.Addr.
const Registry = "localhost:5000"

// Options say how Start is to work. The zero value is useful.
type Options struct {
	Log io.Writer // takes a line per step; nil: nothing is written
}

// A Rig is a running builder with its registry.
type Rig struct {
	Dir      string         // temporary folder, removed by Close
	Addr     string         // registry, host:port
	Socket   string         // builder, unix:///path
	Buildctl string         // path of the client program
	Client   *client.Client // connected to the builder

	log          io.Writer
	daemon       *contained.Process
	stopRegistry func()
	closeOnce    sync.Once
	closeErr     error
}

// Start prepares and starts everything. On an error nothing is left running.
func Start(ctx context.Context, opt Options) (_ *Rig, err error) {
	r := &Rig{log: opt.Log}
	if r.log == nil {
		r.log = io.Discard
	}
	if err := EnsurePackages(ctx, r.log); err != nil {
		return nil, err
	}
	buildkitd, err := toolbox.Path(ctx, r.log, "buildkitd")
	if err != nil {
		return nil, err
	}
	if r.Buildctl, err = toolbox.Path(ctx, r.log, "buildctl"); err != nil {
		return nil, err
	}
	if r.Dir, err = os.MkdirTemp("", "slipway-rig-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if r.Addr, r.stopRegistry, err = startRegistry(r.Dir); err != nil {
		return nil, fmt.Errorf("start a registry: %w", err)
	}
	images, err := baseimage.Set(ctx)
	if err != nil {
		return nil, fmt.Errorf("make base images: %w", err)
	}
	if err := baseimage.Push(ctx, r.Addr, images); err != nil {
		return nil, err
	}
	fmt.Fprintf(r.log, "registry with %d base images at %s\n", len(images), r.Addr)
	if err := r.startDaemon(ctx, buildkitd); err != nil {
		return nil, err
	}
	fmt.Fprintf(r.log, "buildkitd at %s\n", r.Socket)
	return r, nil
}

// Close stops the builder and the registry and removes the rig's folder. It
// may be called more than once, also from several goroutines.
func (r *Rig) Close() error {
	r.closeOnce.Do(func() {
		if r.Client != nil {
			r.closeErr = r.Client.Close()
		}
		if r.daemon != nil {
			r.daemon.Stop(daemonGrace)
		}
		if r.stopRegistry != nil {
			r.stopRegistry()
		}
		r.closeErr = errors.Join(r.closeErr, os.RemoveAll(r.Dir))
	})
	return r.closeErr
}

// TempDir makes a folder inside the rig's own.
func (r *Rig) TempDir(prefix string) (string, error) {
	return os.MkdirTemp(r.Dir, filepath.Base(prefix)+"-")
}
