package build

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway/solver"
	"slipway/solver/export"
	"slipway/solver/runner"
	"slipway/solver/runner/namespace"
	"slipway/solver/source"
	"slipway/solver/tree"
)

// state is what lasts longer than a build.
type state struct {
	dir   string
	store *tree.Store
	cache solver.Cache
	files *source.Index
}

// DefaultState returns the directory of cache and results of this user.
func DefaultState() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no directory for the cache: %w", err)
	}
	return filepath.Join(dir, "slipway"), nil
}

func openState(o *Options) (*state, error) {
	s := &state{dir: o.State}
	var err error
	if s.store, err = tree.OpenStore(filepath.Join(s.dir, "store")); err == nil {
		s.cache, err = solver.OpenDirCache(filepath.Join(s.dir, "cache"), s.store, o.Now)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	s.files = source.OpenIndex(filepath.Join(s.dir, "files"))
	return s, nil
}

func (s *state) sources(o *Options, p *places) *source.Sources {
	return &source.Sources{
		Store: s.store, Cache: s.cache, Files: s.files,
		Registry: []remote.Option{remote.WithAuthFromKeychain(authn.DefaultKeychain)},
		Mirrors:  o.Mirrors,
		Dirs:     p.dirs, Layouts: p.layouts, HTTP: http.DefaultClient,
	}
}

func (s *state) exporter(o *Options) *export.Exporter {
	return &export.Exporter{
		Store: s.store, Now: o.Now(),
		Layers: &export.Layers{Store: s.store, Dir: filepath.Join(s.dir, "layers")},
	}
}

func (s *state) mounts(o *Options) *solver.HostMounts {
	return &solver.HostMounts{
		Dir: filepath.Join(s.dir, "mounts"), Store: s.store, Owners: os.Geteuid() == 0,
		Secrets: o.Secrets, Agents: o.Agents,
	}
}

// runner chooses how processes run.
func (s *state) runner(ctx context.Context, o *Options) (runner.Runner, error) {
	switch o.Runner {
	case "", "auto", "namespace":
	default:
		return nil, fmt.Errorf("unknown runner %q, there are auto and namespace", o.Runner)
	}
	if err := namespace.Available(ctx); err != nil {
		return unavailable{err}, nil //nolint:nilerr // a build without RUN needs none
	}
	return namespace.New(filepath.Join(s.dir, "namespace"), s.store)
}

// unavailable is the runner of machines that have none.
type unavailable struct{ why error }

// Run implements [runner.Runner].
func (u unavailable) Run(context.Context, *runner.Process) ([]*tree.Node, error) {
	return nil, errors.Join(errors.New("processes cannot run here"), u.why)
}
