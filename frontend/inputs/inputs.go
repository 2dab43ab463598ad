package inputs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"

	"slipway/frontend/options"
	"slipway/plan"
)

// maxFile is the size that the Dockerfile and ignore files may have: what one
// message of the gateway holds.
const maxFile = 16 << 20

const contextDir = "context" // the local source of the main context

// Inputs reads what one build needs. It is safe for several platforms at once.
type Inputs struct {
	client  client.Client
	build   client.BuildOpts
	options *options.Options

	ignore func(context.Context) ([]string, error) // once
	own    *ignoreFile                             // Dockerfile.dockerignore
	images sync.Map                                // imageKey → func() (*plan.Resolved, error)
}

// New returns the inputs of a build.
func New(c client.Client, opts *options.Options) (*Inputs, error) {
	if opts.Context != "" {
		return nil, fmt.Errorf("main context %q is not local: remote contexts are not supported", opts.Context)
	}
	in := &Inputs{client: c, build: c.BuildOpts(), options: opts}
	in.ignore = once(in.readIgnore)
	return in, nil
}

// once remembers the first result of f.
func once[T any](f func(context.Context) (T, error)) func(context.Context) (T, error) {
	var mu sync.Mutex
	var done bool
	var v T
	var err error
	return func(ctx context.Context) (T, error) {
		mu.Lock()
		defer mu.Unlock()
		if !done {
			v, err = f(ctx)
			done = true
		}
		return v, err
	}
}

// local returns a local source with the options that all of them have.
func (in *Inputs) local(name, title, hint string, opts ...llb.LocalOption) llb.State {
	session := in.build.SessionID
	if s, ok := in.options.Sessions[name]; ok {
		session = s
	}
	opts = append([]llb.LocalOption{
		llb.SessionID(session),
		llb.SharedKeyHint(hint),
		llb.WithCustomName("[internal] " + title),
	}, opts...)
	return llb.Local(name, opts...)
}

// open solves a source so that its files can be read.
func (in *Inputs) open(ctx context.Context, st llb.State) (client.Reference, *llb.Definition, error) {
	def, err := st.Marshal(ctx, llb.WithCaps(in.build.Caps))
	if err != nil {
		return nil, nil, fmt.Errorf("failed to marshal local source: %w", err)
	}
	res, err := in.client.Solve(ctx, client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		return nil, nil, err
	}
	ref, err := res.SingleRef()
	return ref, def, err
}

// tooLargeError is the error for a file above maxFile.
type tooLargeError struct{ name string }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s exceeds maximum allowed size of %d bytes", e.name, maxFile)
}

// readFile reads a file that has to fit into memory. A larger one does not fit
// into a message of the gateway either, so its size is asked for only when
// reading fails.
func readFile(ctx context.Context, ref client.Reference, name string) ([]byte, error) {
	b, err := ref.ReadFile(ctx, client.ReadRequest{
		Filename: name,
		Range:    &client.FileRange{Length: maxFile + 1},
	})
	if err != nil {
		st, statErr := ref.StatFile(ctx, client.StatRequest{Path: name})
		if statErr == nil && st.GetSize() > maxFile {
			return nil, &tooLargeError{name}
		}
		return nil, err
	}
	if len(b) > maxFile {
		return nil, &tooLargeError{name}
	}
	return b, nil
}

func isTooLarge(err error) bool {
	var e *tooLargeError
	return errors.As(err, &e)
}

// State opens the main context: only what the build uses is transferred.
func (in *Inputs) State(ctx context.Context, _ *plan.Input, used *plan.Paths) (llb.State, error) {
	excludes, err := in.ignore(ctx)
	if err != nil {
		return llb.State{}, err
	}
	opts := []llb.LocalOption{llb.ExcludePatterns(excludes)}
	if paths := used.Filter(); len(paths) > 0 {
		opts = append(opts, llb.FollowPaths(paths))
	}
	return in.local(contextDir, "load build context", contextDir, opts...), nil
}

// named returns the named context of that name, in the spelling of images,
// that is meant for the platform or for all.
func (in *Inputs) named(names ...string) (string, bool) {
	for _, n := range names {
		if _, ok := in.options.Named[n]; ok {
			return n, true
		}
	}
	return "", false
}

func trimLatest(name string) string { return strings.TrimSuffix(name, ":latest") }
