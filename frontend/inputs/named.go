package inputs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/util/imageutil"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/plan"
)

// maxRewrites is the maximum number of times that source policies may redirect a named
// context.
const maxRewrites = 10

// namedContext is a named context, which a frontend option such as context:NAME sets. An
// option with the suffix ::PLATFORM sets a context for one platform only.
type namedContext struct {
	in       *Inputs
	name     string // the name of the context: an image name in its familiar form, without :latest
	key      string // name or name::platform, as in the key of the option
	platform *ocispecs.Platform
}

// opener is a function that returns the LLB state of a named context. It is called after
// planning, with the set of paths that the build reads from the context.
type opener func(used *plan.Paths) llb.State

// Context returns the context with the given name, or nil if no option sets the context. A
// context for the platform p takes precedence over a context for all platforms.
func (in *Inputs) Context(_ context.Context, name string, p *ocispecs.Platform) (plan.NamedContext, error) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("invalid context name %s: %w", name, err)
	}
	name = strings.TrimSuffix(reference.FamiliarString(ref), ":latest")
	of := platforms.DefaultSpec()
	if p != nil {
		of = *p
	}
	for _, key := range []string{name + "::" + platforms.FormatAll(platforms.Normalize(of)), name} {
		if _, ok := in.options.NamedContexts[key]; ok {
			return &namedContext{in: in, name: name, key: key, platform: p}, nil
		}
	}
	return nil, nil
}

// Load opens the named context. If a source policy redirects an image to another source, Load
// opens the other source.
func (n *namedContext) Load(ctx context.Context) (*plan.Resolved, error) {
	value := n.in.options.NamedContexts[n.key]
	for range maxRewrites + 1 {
		res, err := n.open(ctx, value)
		var moved *imageutil.ResolveToNonImageError
		if !errors.As(err, &moved) || !strings.HasPrefix(value, "docker-image:") {
			return res, err // Upstream: policies cannot replace OCI layouts
		}
		scheme, rest, ok := strings.Cut(moved.Updated, "://")
		if !ok {
			return nil, fmt.Errorf("could not parse ref: %s", moved.Updated)
		}
		// Upstream: every scheme is rewritten to scheme:rest, so a policy that
		// redirects to git or HTTP fails. Only local sources need that form.
		if value = moved.Updated; scheme == "local" {
			value = scheme + ":" + rest
		}
	}
	return nil, fmt.Errorf("context recursion limit exceeded; this may indicate a cycle in the provided source policies: %s", value)
}

// open opens the context that the value of a frontend option describes, such as
// docker-image://alpine.
func (n *namedContext) open(ctx context.Context, value string) (*plan.Resolved, error) {
	scheme, rest, ok := strings.Cut(value, ":")
	if !ok {
		return nil, fmt.Errorf("invalid context specifier %s for %s", value, n.key)
	}
	if strings.HasPrefix(scheme, "git@") {
		scheme = "git"
	}
	switch scheme {
	case "docker-image":
		return n.image(ctx, strings.TrimPrefix(rest, "//"))
	case "oci-layout":
		return n.layout(ctx, strings.TrimPrefix(rest, "//"))
	case "git":
		st, isGit, err := n.in.git(value)
		if !isGit {
			return nil, fmt.Errorf("invalid git context %s", value)
		}
		if err != nil {
			return nil, err
		}
		return n.fixedState(*st), nil
	case "http", "https":
		return n.url(value)
	case "local":
		return n.local(ctx, rest)
	case "input":
		return n.input(ctx, rest)
	}
	return nil, fmt.Errorf("unsupported context source %s for %s", scheme, n.key)
}

// fixedState returns a context whose LLB state is always st. The state does not depend
// on the paths that the build reads from the context.
func (n *namedContext) fixedState(st llb.State) *plan.Resolved {
	return n.resolved(func(*plan.Paths) llb.State { return st })
}

// resolved returns a context whose LLB state is the result of the given opener. The opener is
// called with the set of paths that the build reads from the context.
func (n *namedContext) resolved(open opener) *plan.Resolved {
	return &plan.Resolved{Input: &plan.Input{Name: n.name, Platform: n.platform, Handle: open}}
}

// url opens a context at a URL. The context is a git repository, or a file that is
// downloaded but not unpacked.
func (n *namedContext) url(value string) (*plan.Resolved, error) {
	st, isGit, err := n.in.git(value)
	if isGit && err != nil {
		return nil, err
	}
	if isGit {
		return n.fixedState(*st), nil
	}
	return n.fixedState(llb.HTTP(value, llb.Filename(downloadName), llb.WithCustomName("[context "+n.key+"] "+value))), nil
}

// local opens a directory of the client as a context. The client sends only the used
// paths, without the files that the directory's ignore file excludes.
func (n *namedContext) local(ctx context.Context, name string) (*plan.Resolved, error) {
	patterns, err := n.in.namedIgnore(ctx, name, n.key)
	if err != nil {
		return nil, err
	}
	hint := "context:" + n.key + "-" + n.in.options.SharedKeys[n.key]
	return n.resolved(func(used *plan.Paths) llb.State {
		return n.in.local(name, "[context "+n.key+"] load from client", hint, n.in.transferOptions(patterns, used)...)
	}), nil
}

// input opens a frontend input that the client provides as LLB.
func (n *namedContext) input(ctx context.Context, name string) (*plan.Resolved, error) {
	states, err := n.in.client.Inputs(ctx)
	if err != nil {
		return nil, err
	}
	st, ok := states[name]
	if !ok {
		return nil, fmt.Errorf("invalid input %s for %s", name, n.key)
	}
	res := n.fixedState(st)
	md, ok := n.in.options.InputMetadata[name]
	if !ok {
		return res, nil
	}
	var values map[string][]byte
	if err := json.Unmarshal([]byte(md), &values); err != nil {
		return nil, fmt.Errorf("failed to parse input metadata %s: %w", md, err)
	}
	config, ok := values[exptypes.ExporterImageConfigKey]
	if !ok {
		return res, nil
	}
	if err := json.Unmarshal(config, &ocispecs.Image{}); err != nil {
		return nil, err
	}
	var img *plan.Image
	if err := json.Unmarshal(config, &img); err != nil {
		return nil, fmt.Errorf("failed to parse image config for %s: %w", n.key, err)
	}
	if img != nil { // JSON null means no config
		res.Config = config
	}
	return res, nil
}
