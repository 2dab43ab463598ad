package builder

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/builder/explain"
	"slipway/builder/state"
	"slipway/solver/export"
	"slipway/solver/hostmount"
	"slipway/solver/llbsource"
	"slipway/solver/registry"
)

// defaultStall is the default time limit for silent servers. A request fails if the server
// neither accepts nor sends data for the duration of the limit.
const defaultStall = 2 * time.Minute

// localBuilder builds in this process, with an open state directory and the user's
// credentials for registries.
type localBuilder struct {
	*state.Dir
	registry *registry.Client
}

// newRegistry returns a registry client with the given credentials and the user's configuration.
// Its requests fail if the server neither accepts nor sends data for the duration stall.
func newRegistry(stall time.Duration, credentials registry.Credentials) *registry.Client {
	config, _ := os.UserConfigDir() // without a home, the user has no configuration
	home, _ := os.UserHomeDir()
	return registry.New(registry.Options{
		Credentials: credentials,
		Dirs:        registry.DefaultDirs(config, home),
		Transport:   func(rt http.RoundTripper) http.RoundTripper { return llbsource.Stall(rt, stall) },
		Waits:       []time.Duration{time.Second, 3 * time.Second},
	})
}

// openLocal opens the state directory for a build with the given credentials for registries.
func openLocal(o *Options, credentials registry.Credentials) (*localBuilder, error) {
	if o.Now == nil {
		return nil, errors.New("Options.Now is nil (use time.Now)")
	}
	dir, err := state.Open(o.State, o.Now)
	if err != nil {
		return nil, err
	}
	return &localBuilder{dir, newRegistry(o.stall(), credentials)}, nil
}

func (s *localBuilder) sources(o *Options, p *inputs) *llbsource.Sources {
	src := &llbsource.Sources{
		Store: s.Store, Cache: s.Cache, Files: s.Files,
		Registry: s.registry, Mirrors: o.Mirrors, Local: s.Images.Find,
		Dirs: p.dirs, Layouts: p.layouts, HTTP: &http.Client{Transport: llbsource.Stall(http.DefaultTransport, o.stall())}, Stall: o.stall(),
		Trees: p.trees, Uploads: p.uploads,
		Temp: s.Temp(), Now: o.Now,
		Secrets: o.Secrets, Agents: o.Agents,
	}
	if p.request != nil {
		src.Client = p.request.Client
	}
	return src
}

// explainer returns the explainer for the current build. It compares the current build with
// the last build of the same Dockerfile and context.
func (s *localBuilder) explainer(o *Options) *explain.Explainer {
	from := o.Context
	if abs, err := filepath.Abs(from); err == nil && !isURL(from) && from != stdin {
		from = abs
	}
	id := digest.FromString(from + "\x00" + o.file()).Encoded()[:32]
	return explain.New(s.Explained(id), s.Store, o.BuildArgs)
}

func (s *localBuilder) exporter(o *Options) *export.Exporter {
	now := o.Now()
	return &export.Exporter{Store: s.Store, Now: now, Layers: s.Layers(now)}
}

// hostMounts returns the mounts for RUN steps with the secrets and SSH agents in the options.
func (s *localBuilder) hostMounts(o *Options) *hostmount.Mounts {
	return &hostmount.Mounts{
		Now: o.Now,
		Dir: s.Mounts(), Store: s.Store, Owners: os.Geteuid() == 0,
		Secrets: o.Secrets, Agents: o.Agents,
	}
}
