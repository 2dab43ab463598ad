package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"slipway/integration/baseimage"
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
	*Daemon         // the builder
	Dir      string // temporary folder, removed by Close
	Addr     string // registry, host:port
	Buildctl string // path of the client program

	log       io.Writer
	mu        sync.Mutex
	stops     []func() error // what Close calls, last first
	closeOnce sync.Once
	closeErr  error
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
	addr, stop, err := startRegistry(r.Dir)
	if err != nil {
		return nil, fmt.Errorf("start a registry: %w", err)
	}
	r.Addr, r.stops = addr, []func() error{stop}
	images, err := baseimage.Set(ctx)
	if err != nil {
		return nil, fmt.Errorf("make base images: %w", err)
	}
	if err := baseimage.Push(ctx, r.Addr, images); err != nil {
		return nil, err
	}
	fmt.Fprintf(r.log, "registry with %d base images at %s\n", len(images), r.Addr)
	if r.Daemon, err = r.StartDaemon(ctx, "buildkitd"); err != nil {
		return nil, err
	}
	return r, nil
}

// Close stops the builders and the registry and removes the rig's folder. It
// may be called more than once, also from several goroutines.
func (r *Rig) Close() error {
	r.closeOnce.Do(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, stop := range slices.Backward(r.stops) {
			r.closeErr = errors.Join(r.closeErr, stop())
		}
		r.closeErr = errors.Join(r.closeErr, os.RemoveAll(r.Dir))
	})
	return r.closeErr
}

// TempDir makes a folder inside the builder's own.
func (d *Daemon) TempDir(prefix string) (string, error) {
	return os.MkdirTemp(d.Dir, filepath.Base(prefix)+"-")
}
