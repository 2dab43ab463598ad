package inputs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/patternmatcher"

	"slipway/diag"
	"slipway/frontend/options"
	"slipway/ignore"
	"slipway/source"
)

const (
	ignoreName   = ".dockerignore"
	ignoreSuffix = ".dockerignore"
	language     = "Dockerfile"

	containerfile = "Containerfile" // what Podman and Buildah call a Dockerfile
)

// Dockerfile is the Dockerfile as read.
type Dockerfile struct {
	Source *source.File
	Map    *llb.SourceMap // for locations on operations and errors
}

// ignoreFile is an ignore file as read. The zero value says nothing.
type ignoreFile struct {
	name     string
	content  []byte
	patterns []string // nil until parsed
}

// Dockerfile reads the Dockerfile and the ignore file beside it.
func (in *Inputs) Dockerfile(ctx context.Context) (*Dockerfile, error) {
	m, err := in.main(ctx)
	if err != nil {
		return nil, err
	}
	name := m.filename
	spellings := []string{name}
	if path.Base(name) == options.DefaultFilename {
		spellings = append(spellings, path.Join(path.Dir(name), strings.ToLower(options.DefaultFilename)))
	}
	st := m.dockerfile
	if st == nil {
		follow := append([]string{name, name + ignoreSuffix}, spellings[1:]...)
		local := in.local(in.options.DockerfileDir, "[internal] load build definition from "+name, in.options.DockerfileDir,
			llb.FollowPaths(follow), llb.Differ(llb.DiffNone, false))
		st = &local
	}
	ref, def, err := in.open(ctx, *st)
	if err != nil {
		return nil, fmt.Errorf("failed to resolve dockerfile: %w%s", err, sshHint(err))
	}
	var ignore []byte
	var ignoreErr error
	var wg sync.WaitGroup
	wg.Go(func() { ignore, ignoreErr = readFile(ctx, ref, name+ignoreSuffix) })
	content, err := readEither(ctx, ref, spellings)
	wg.Wait()
	if other := path.Join(path.Dir(name), containerfile); err != nil && m.dockerfile != nil && len(spellings) > 1 {
		// Upstream: an error, as it is of a context without any of them.
		if found, otherErr := readFile(ctx, ref, other); otherErr == nil {
			name, content, err = other, found, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("failed to read dockerfile: %w%s", err, sshHint(err))
	}
	if isTooLarge(ignoreErr) {
		return nil, ignoreErr
	}
	// Upstream: over gRPC an empty file is like none.
	if ignoreErr == nil && ignore != nil {
		in.own = &ignoreFile{name: name + ignoreSuffix, content: ignore}
	}
	sm := llb.NewSourceMap(st, name, language, content)
	sm.Definition = def
	return &Dockerfile{Source: source.NewFile(name, content), Map: sm}, nil
}

// sshHint says what a builder needs that has no key for a repository over SSH; "" of
// other errors.
func sshHint(err error) string {
	m := regexp.MustCompile(`no SSH key "(\S+)" forwarded from the client$`).FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	return " (forward an agent or a key: --ssh " + m[1] + ")"
}

// readEither reads the first of the files that can be read. The error is about
// the first one; a file that is too large is one.
func readEither(ctx context.Context, ref client.Reference, names []string) ([]byte, error) {
	content, err := readFile(ctx, ref, names[0])
	if err == nil || isTooLarge(err) {
		return content, err
	}
	for _, name := range names[1:] {
		if other, otherErr := readFile(ctx, ref, name); otherErr == nil {
			return other, nil
		}
	}
	return nil, err
}

// readIgnore returns what the main context leaves out: what is beside the
// Dockerfile, else what is in the context. A context without the file has none,
// and one that is not local leaves nothing out.
func (in *Inputs) readIgnore(ctx context.Context) (*ignoreFile, error) {
	m, err := in.main(ctx)
	if err != nil || m.state != nil {
		return &ignoreFile{}, err
	}
	if in.own != nil {
		return in.own.parse()
	}
	st := in.local(contextName, "[internal] load "+ignoreName, contextName+"-"+ignoreName,
		llb.FollowPaths([]string{ignoreName}), llb.Differ(llb.DiffNone, false))
	ref, _, err := in.open(ctx, st)
	if err != nil {
		return nil, err
	}
	return readRoot(ctx, ref)
}

// ignoreOf returns the patterns of what a named context leaves out of a local
// source.
func (in *Inputs) ignoreOf(ctx context.Context, name, key string) ([]string, error) {
	st := in.local(name, "[context "+key+"] load "+ignoreName, "context:"+key+"-"+ignoreName,
		llb.FollowPaths([]string{ignoreName}), llb.Differ(llb.DiffNone, false))
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	// Evaluated at once: a directory that the client does not have is an error
	// here, not a missing file.
	res, err := in.client.Solve(ctx, client.SolveRequest{Definition: def.ToPB(), Evaluate: true})
	if err != nil {
		return nil, err
	}
	ref, err := res.SingleRef()
	if err != nil {
		return nil, err
	}
	f, err := readRoot(ctx, ref)
	if err != nil {
		return nil, err
	}
	return f.patterns, nil
}

// readRoot reads the ignore file at the root.
func readRoot(ctx context.Context, ref client.Reference) (*ignoreFile, error) {
	content, err := readFile(ctx, ref, ignoreName)
	if isTooLarge(err) {
		return nil, err
	}
	return (&ignoreFile{name: ignoreName, content: content}).parse()
}

func (f *ignoreFile) parse() (*ignoreFile, error) {
	if len(f.content) == 0 {
		return f, nil
	}
	var err error
	if f.patterns, err = ignore.Patterns(f.content); err != nil {
		return nil, f.located(fmt.Errorf("failed parsing %s: %w", f.name, err))
	}
	return f, nil
}

// located gives an error about the ignore file the line that it is about.
func (f *ignoreFile) located(err error) error {
	_, bad := ignore.Parse(source.NewFile(f.name, f.content))
	line, ok := errors.AsType[*ignore.LineError](bad)
	if !ok {
		return err
	}
	d := diag.Errorf(line.Range, "%w", err)
	malformed := strings.HasSuffix(err.Error(), path.ErrBadPattern.Error())
	switch text := strings.TrimSpace(line.Range.String()); {
	case text == "!":
		d.Hinted("write the pattern that is to be kept after !")
	case malformed && strings.HasSuffix(text, `\`):
		d.Hinted(`write \\ for a backslash`)
	case malformed:
		d.Hinted(`a [ needs characters and a ], write \[ for the character [`)
	}
	return d
}

// Ignore reads the ignore file of the main context; nil if it says nothing.
func (in *Inputs) Ignore(ctx context.Context) (*ignore.Matcher, error) { return in.matcher(ctx) }

// parseIgnore makes a matcher of the patterns. Those that only turn out to be
// malformed when something is matched are the client's to report, as with
// upstream.
func (in *Inputs) parseIgnore(ctx context.Context) (*ignore.Matcher, error) {
	f, err := in.ignore(ctx)
	if err != nil || len(f.patterns) == 0 {
		return nil, err
	}
	if _, err := patternmatcher.New(f.patterns); err != nil {
		return nil, f.located(err)
	}
	m, err := ignore.Parse(source.NewFile(f.name, f.content))
	if limit, tooLarge := errors.AsType[*ignore.LimitError](err); tooLarge {
		line, _ := errors.AsType[*ignore.LineError](err)
		return nil, diag.Errorf(line.Range, "%w", limit)
	}
	return m, nil
}
