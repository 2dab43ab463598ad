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

// Registry is the host name of the rig's registry inside the builder. It does not depend on
// the port. Outside the builder use Rig.Addr.
const Registry = "localhost:5000"

// Options configures Start. The zero value is valid.
type Options struct {
	Log io.Writer // receives one line per step of the start; nil discards them

	// InMemory puts the state of builders into memory if there is room. Builders whose state
	// grows beyond 1 GB need a disk.
	InMemory bool
}

// A Rig is a running builder with its own registry. Safe for concurrent use.
type Rig struct {
	*Daemon         // the main builder
	Dir      string // temporary directory, removed by Close
	Addr     string // host:port of the registry
	Buildctl string // path of buildctl

	states    string // parent directory of the builders' directories, removed by Close
	log       io.Writer
	mu        sync.Mutex
	stops     []func() error // functions that Close calls in reverse order
	closeOnce sync.Once
	closeErr  error
}

// Start starts a registry and a builder. If it returns an error, it leaves nothing running.
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
	r.states = r.Dir
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if opt.InMemory {
		if dir, err := memoryDir(); err != nil {
			return nil, err
		} else if dir != "" {
			r.states = dir
		}
	}
	addr, stop, err := startRegistry(r.Dir)
	if err != nil {
		return nil, fmt.Errorf("start a registry: %w", err)
	}
	r.Addr, r.stops = addr, []func() error{stop}
	images, err := baseimage.Set(ctx)
	if err != nil {
		return nil, fmt.Errorf("create base images: %w", err)
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

// StartEmpty returns a rig without a builder and a registry, on which a Docker Engine can run.
func StartEmpty(opt Options) (*Rig, error) {
	r := &Rig{log: opt.Log}
	if r.log == nil {
		r.log = io.Discard
	}
	var err error
	r.Dir, err = os.MkdirTemp("", "slipway-rig-")
	r.states = r.Dir
	return r, err
}

// Close stops all builders and the registry and removes the rig's directories. Later calls do
// nothing. Safe for concurrent use.
func (r *Rig) Close() error {
	r.closeOnce.Do(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, stop := range slices.Backward(r.stops) {
			r.closeErr = errors.Join(r.closeErr, stop())
		}
		r.closeErr = errors.Join(r.closeErr, os.RemoveAll(r.states), os.RemoveAll(r.Dir))
	})
	return r.closeErr
}

// TempDir creates a new directory inside the daemon's directory and returns its path. The
// directory's name starts with prefix.
func (d *Daemon) TempDir(prefix string) (string, error) {
	return os.MkdirTemp(d.Dir, filepath.Base(prefix)+"-")
}
