package inputs

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"slipway/include"
	"slipway/plan"
	"slipway/source"
)

// maxReads is the maximum number of files of a source that are read in parallel.
const maxReads = 16

// IncludeReader reads the files that a Dockerfile includes, and stores their source maps.
type IncludeReader struct {
	in *Inputs
	// Maps contains the source map of each file that has been read.
	Maps map[*source.File]*llb.SourceMap
}

// IncludeReader returns a reader of included files. Not safe for concurrent use.
func (in *Inputs) IncludeReader() *IncludeReader {
	return &IncludeReader{in: in, Maps: map[*source.File]*llb.SourceMap{}}
}

// Files implements [include.Reader]. Ignore files do not apply to local sources. All files are
// in one request.
func (r *IncludeReader) Files(ctx context.Context, from string, paths []string) ([]include.Content, error) {
	st, err := r.in.source(ctx, from, paths)
	if err != nil {
		return nil, err
	}
	ref, def, err := r.in.open(ctx, st)
	if err != nil {
		return nil, err
	}
	list := make([]include.Content, len(paths))
	g := errgroup.Group{}
	g.SetLimit(maxReads)
	for i, name := range paths {
		g.Go(func() error {
			list[i] = readIncluded(ctx, ref, from, name)
			return nil
		})
	}
	_ = g.Wait() // errors are in the list
	for i := range list {
		if f := list[i].File; f != nil {
			sm := llb.NewSourceMap(&st, f.Name, language, f.Bytes)
			sm.Definition = def
			r.Maps[f] = sm
		}
	}
	return list, nil
}

// readIncluded reads one file. The parameter from is the name of its source.
func readIncluded(ctx context.Context, ref client.Reference, from, name string) include.Content {
	content, err := fetchFile(ctx, ref, name)
	if err != nil {
		return include.Content{Missing: isMissing(err), Err: err}
	}
	shown := name
	if from != "" {
		shown = from + ":" + name
	}
	return include.Content{File: source.NewFile(shown, content)}
}

// isMissing reports whether an error from reading a file means that the file does not exist.
func isMissing(err error) bool {
	return grpcerrors.Code(err) == codes.NotFound || strings.Contains(err.Error(), "no such file or directory") || strings.Contains(err.Error(), "file does not exist")
}

// Names implements [include.Reader]. It returns nil if the directory cannot be listed.
func (r *IncludeReader) Names(ctx context.Context, from, dir string) []string {
	st, err := r.in.source(ctx, from, []string{path.Join(dir, "*")})
	if err != nil {
		return nil
	}
	ref, _, err := r.in.open(ctx, st)
	if err != nil {
		return nil
	}
	entries, err := ref.ReadDir(ctx, client.ReadDirRequest{Path: dir})
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, path.Base(e.GetPath()))
	}
	return names
}

// source returns the LLB state of a source of included files: the source of the Dockerfile if
// from is "", the main context if it is "context", otherwise the named context from. A client
// sends only the given paths of a local source.
func (in *Inputs) source(ctx context.Context, from string, paths []string) (llb.State, error) {
	if from != "" && from != contextName {
		return in.namedSource(ctx, from, paths)
	}
	m, err := in.main(ctx)
	if err != nil {
		return llb.State{}, err
	}
	name, key, st := in.options.DockerfileDir, in.options.DockerfileDir, m.dockerfile
	if from == contextName {
		name, key, st = contextName, contextName+"-include", m.state
	}
	if st != nil {
		return *st, nil
	}
	return in.local(name, "[internal] load included files", key, llb.FollowPaths(paths), llb.Differ(llb.DiffNone, false)), nil
}

// namedSource returns the LLB state of a named context.
func (in *Inputs) namedSource(ctx context.Context, name string, paths []string) (llb.State, error) {
	named, err := in.Context(ctx, name, nil)
	if err != nil {
		return llb.State{}, err
	}
	if named == nil {
		return llb.State{}, fmt.Errorf("there is no build context %s (define it with --build-context %s=…)", name, name)
	}
	res, err := named.Load(ctx)
	if err != nil {
		return llb.State{}, err
	}
	used := &plan.Paths{}
	for _, p := range paths {
		used.Add(p)
	}
	return in.State(ctx, res.Input, used)
}

// ReadFile reads a file of the main context, to which the ignore file applies.
func (in *Inputs) ReadFile(ctx context.Context, name string) ([]byte, error) {
	used := &plan.Paths{}
	used.Add(name)
	st, err := in.State(ctx, nil, used)
	if err != nil {
		return nil, err
	}
	ref, _, err := in.open(ctx, st)
	if err != nil {
		return nil, err
	}
	content, err := fetchFile(ctx, ref, path.Join("/", name))
	if err != nil && isMissing(err) {
		return nil, fmt.Errorf("no such file in the build context")
	}
	return content, err
}
