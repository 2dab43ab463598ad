package builder

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/builder/explain"
	"slipway/solver/diskcache"
	"slipway/solver/export"
	"slipway/solver/hostmount"
	"slipway/solver/images"
	"slipway/solver/llbsource"
	"slipway/solver/registry"
	"slipway/solver/tree"
)

// defaultStall is how long a server may send nothing.
const defaultStall = 2 * time.Minute

// state is the state directory, which outlasts builds.
type state struct {
	dir   string
	store *tree.Store
	cache *diskcache.Cache
	files *llbsource.Index
	names *images.Names // of stored images

	registry *registry.Client
}

// newRegistry returns a client with the user's credentials and configuration. A request
// fails if the server sends and takes nothing for the time stall.
func newRegistry(stall time.Duration) *registry.Client {
	config, _ := os.UserConfigDir() // who has no home has no files in it
	home, _ := os.UserHomeDir()
	return registry.New(registry.Options{
		Credentials: registry.UserCredentials(),
		Dirs:        registry.DefaultDirs(config, home),
		Transport:   func(rt http.RoundTripper) http.RoundTripper { return llbsource.Stall(rt, stall) },
		Waits:       []time.Duration{time.Second, 3 * time.Second},
	})
}

// DefaultState returns the default state directory of this user.
func DefaultState() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no directory for the cache: %w", err)
	}
	return filepath.Join(dir, "slipway"), nil
}

func openState(o *Options) (*state, error) {
	if o.Now == nil {
		return nil, errors.New("Options.Now is nil (use time.Now)")
	}
	dir, err := filepath.Abs(o.State) // runners work in other directories
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if err := checkState(dir, os.Geteuid()); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	s := &state{dir: dir, registry: newRegistry(o.stall())}
	if s.store, err = tree.OpenStore(filepath.Join(s.dir, "store")); err == nil {
		s.cache, err = diskcache.Open(filepath.Join(s.dir, "cache"), s.store, o.Now)
	}
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	s.names = &images.Names{Dir: filepath.Join(s.dir, "images"), Store: s.store}
	s.files = llbsource.OpenIndex(filepath.Join(s.dir, "files"), o.Now)
	return s, nil
}

func (s *state) sources(o *Options, p *places) *llbsource.Sources {
	return &llbsource.Sources{
		Store: s.store, Cache: s.cache, Files: s.files,
		Registry: s.registry, Mirrors: o.Mirrors, Local: s.names.Find,
		Dirs: p.dirs, Layouts: p.layouts, HTTP: &http.Client{Transport: llbsource.Stall(http.DefaultTransport, o.stall())}, Stall: o.stall(),
		Trees: p.trees, Uploads: p.uploads,
		Temp: filepath.Join(s.dir, "temp"), Now: o.Now,
		Secrets: o.Secrets, Agents: o.Agents,
	}
}

// explainer returns the explainer of the build of a Dockerfile.
func (s *state) explainer(o *Options) *explain.Explainer {
	from := o.Context
	if abs, err := filepath.Abs(from); err == nil && !isURL(from) && from != stdin {
		from = abs
	}
	id := digest.FromString(from + "\x00" + o.file()).Encoded()[:32]
	return explain.New(filepath.Join(s.dir, "explain", id+".json"), s.store, o.BuildArgs)
}

func (s *state) exporter(o *Options) *export.Exporter {
	now := o.Now()
	return &export.Exporter{
		Store: s.store, Now: now,
		Layers: &export.Layers{Store: s.store, Dir: filepath.Join(s.dir, "layers"), Now: now},
	}
}

func (s *state) mounts(o *Options) *hostmount.Mounts {
	return &hostmount.Mounts{
		Now: o.Now,
		Dir: filepath.Join(s.dir, "mounts"), Store: s.store, Owners: os.Geteuid() == 0,
		Secrets: o.Secrets, Agents: o.Agents,
	}
}
