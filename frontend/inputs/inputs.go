package inputs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"

	"slipway/dockerfile2llb"
	"slipway/frontend/options"
	"slipway/ignore"
	"slipway/internal/singleflight"
	"slipway/plan"
)

// maxFile is the maximum size in bytes of the Dockerfile, of ignore files and of image
// configs. It equals the maximum size of a gateway message.
const maxFile = 16 << 20

// Inputs reads the inputs of one build. Safe for concurrent use.
type Inputs struct {
	// HostKeys asks SSH servers of git repositories for their host keys. It may be nil.
	HostKeys dockerfile2llb.HostKeys

	client  client.Client
	build   client.BuildOpts
	options *options.Options

	main      func(context.Context) (*mainContext, error)    // memoized
	ignore    func(context.Context) (*ignoreFile, error)     // memoized
	matcher   func(context.Context) (*ignore.Matcher, error) // memoized
	ownIgnore *ignoreFile                                    // the file Dockerfile.dockerignore; nil if it does not exist
	images    singleflight.Group[imageKey, *plan.Resolved]
	times     singleflight.Group[string, *time.Time] // running queries of times, by source operation
}

// New returns an Inputs for the build that the client c requests. opts are the frontend
// options of the build.
func New(c client.Client, opts *options.Options) *Inputs {
	in := &Inputs{client: c, build: c.BuildOpts(), options: opts}
	in.images.KeepErrors, in.times.KeepErrors = true, true
	in.main = memoize(in.openMain)
	in.ignore = memoize(in.readIgnore)
	in.matcher = memoize(in.parseIgnore)
	return in
}

// memoize returns a function that calls f once and returns the same result to all callers, even
// if it is an error. If the context of the caller that runs f ends, another waiting caller
// calls f again.
func memoize[T any](f func(context.Context) (T, error)) func(context.Context) (T, error) {
	g := &singleflight.Group[struct{}, T]{KeepErrors: true}
	return func(ctx context.Context) (T, error) { return g.Do(ctx, struct{}{}, f) }
}

// local returns the local source with the given name. The options opts are added to the options
// that all local sources need. The parameter title is the name of the source in progress
// output. The parameter hint is the shared key hint: the builder reuses files from earlier
// transfers with the same hint.
func (in *Inputs) local(name, title, hint string, opts ...llb.LocalOption) llb.State {
	session := in.build.SessionID
	if s, ok := in.options.Sessions[name]; ok {
		session = s
	}
	opts = append([]llb.LocalOption{
		llb.SessionID(session),
		llb.SharedKeyHint(hint),
		llb.WithCustomName(title),
	}, opts...)
	return llb.Local(name, opts...)
}

// open solves the source st. It returns a reference, through which the files of the
// source can be read, and the LLB definition of the source.
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

// tooLargeError is the error for a file that exceeds maxFile.
type tooLargeError struct{ name string }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s exceeds maximum allowed size of %d bytes", e.name, maxFile)
}

// ReadAhead starts to read the ignore file in the background, because every build needs it. The
// read runs while images are resolved. The caller must call the returned function, which
// cancels the read and waits until it has ended.
func (in *Inputs) ReadAhead(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = in.ignore(ctx) // the error is memoized for the caller that needs the file
	}()
	return func() {
		cancel()
		<-done
	}
}

// fetchFile reads a file. If the file is larger than maxFile, it exceeds the maximum size of a
// gateway message and cannot be read. In this case, fetchFile queries the size of the file and
// returns a tooLargeError.
func fetchFile(ctx context.Context, ref client.Reference, name string) ([]byte, error) {
	b, err := ref.ReadFile(ctx, client.ReadRequest{
		Filename: name,
		Range:    &client.FileRange{Length: maxFile + 1},
	})
	if grpcerrors.Code(err) == codes.ResourceExhausted {
		st, statErr := ref.StatFile(ctx, client.StatRequest{Path: name})
		if statErr == nil && st.GetSize() > maxFile {
			return nil, &tooLargeError{name}
		}
	}
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, &tooLargeError{name}
	}
	return b, nil
}

// isTooLarge reports whether err is a tooLargeError.
func isTooLarge(err error) bool {
	var e *tooLargeError
	return errors.As(err, &e)
}

// State returns the LLB state of a named context, or of the main context if input is nil. For a
// local source, the client sends only the paths in the set used.
func (in *Inputs) State(ctx context.Context, input *plan.Input, used *plan.Paths) (llb.State, error) {
	if input != nil {
		open, ok := input.Handle.(opener)
		if !ok {
			return llb.State{}, fmt.Errorf("context %s is not one of this build", input.Name)
		}
		return open(used), nil
	}
	m, err := in.main(ctx)
	if err != nil {
		return llb.State{}, err
	}
	if m.state != nil {
		return *m.state, nil
	}
	f, err := in.ignore(ctx)
	if err != nil {
		return llb.State{}, err
	}
	return in.local(contextName, "[internal] load build context", contextName, in.transferOptions(f.patterns, used)...), nil
}

// transferOptions returns the options of a local source that select the files to
// transfer.
func (*Inputs) transferOptions(excludes []string, used *plan.Paths) []llb.LocalOption {
	opts := []llb.LocalOption{llb.ExcludePatterns(excludes)}
	if paths := used.Filter(); len(paths) > 0 {
		opts = append(opts, llb.FollowPaths(paths))
	}
	return opts
}
