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

	containerfile = "Containerfile" // default file name of Podman and Buildah
)

// Dockerfile is the Dockerfile of a build.
type Dockerfile struct {
	Source *source.File
	Map    *llb.SourceMap // for locations of operations and errors
}

// ignoreFile is an ignore file. The zero value excludes nothing.
type ignoreFile struct {
	name     string
	content  []byte
	patterns []string // nil until parsed
}

// Dockerfile reads the Dockerfile and its own ignore file
// (Dockerfile.dockerignore).
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
	wg.Go(func() { ignore, ignoreErr = fetchFile(ctx, ref, name+ignoreSuffix) })
	content, err := readEither(ctx, ref, spellings)
	wg.Wait()
	if err != nil && m.dockerfile != nil && !in.options.FileGiven {
		// Upstream: a Containerfile is not found, which is an error.
		if found, otherErr := fetchFile(ctx, ref, containerfile); otherErr == nil {
			name, content, err = containerfile, found, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("failed to read dockerfile: %w%s", err, sshHint(err))
	}
	if isTooLarge(ignoreErr) {
		return nil, ignoreErr
	}
	// Upstream: over gRPC, an empty file cannot be distinguished from a missing
	// one.
	if ignoreErr == nil && ignore != nil {
		in.own = &ignoreFile{name: name + ignoreSuffix, content: ignore}
	}
	sm := llb.NewSourceMap(st, name, language, content)
	sm.Definition = def
	return &Dockerfile{Source: source.NewFile(name, content), Map: sm}, nil
}

// sshHint returns a hint for the error about a missing SSH key, or "" for other
// errors.
func sshHint(err error) string {
	m := regexp.MustCompile(`no SSH key "(\S+)" forwarded from the client$`).FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	return " (forward an agent or a key: --ssh " + m[1] + ")"
}

// readEither reads the first readable file of names. If none is readable or one
// is too large, the error is about the first name or the large file.
func readEither(ctx context.Context, ref client.Reference, names []string) ([]byte, error) {
	content, err := fetchFile(ctx, ref, names[0])
	if err == nil || isTooLarge(err) {
		return content, err
	}
	for _, name := range names[1:] {
		if other, otherErr := fetchFile(ctx, ref, name); otherErr == nil {
			return other, nil
		}
	}
	return nil, err
}

// readIgnore returns the ignore file of the main context: the file next to the
// Dockerfile or, if it does not exist, .dockerignore in the context. If neither
// exists or the context is remote, it excludes nothing.
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

// ignoreOf returns the ignore patterns of a named local context.
func (in *Inputs) ignoreOf(ctx context.Context, name, key string) ([]string, error) {
	st := in.local(name, "[context "+key+"] load "+ignoreName, "context:"+key+"-"+ignoreName,
		llb.FollowPaths([]string{ignoreName}), llb.Differ(llb.DiffNone, false))
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	// Evaluate immediately: a missing directory must cause an error here
	// instead of looking like a missing ignore file.
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

// readRoot reads the ignore file in the root directory of ref.
func readRoot(ctx context.Context, ref client.Reference) (*ignoreFile, error) {
	content, err := fetchFile(ctx, ref, ignoreName)
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

// located adds the offending line to an error about the ignore file.
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
		d.Hinted("write the pattern to include after !")
	case malformed && strings.HasSuffix(text, `\`):
		d.Hinted(`write \\ for a backslash`)
	case malformed:
		d.Hinted(`a [ needs characters and a ], write \[ for the character [`)
	}
	return d
}

// Ignore returns the matcher for the ignore file of the main context, or nil if
// it excludes nothing.
func (in *Inputs) Ignore(ctx context.Context) (*ignore.Matcher, error) { return in.matcher(ctx) }

// parseIgnore builds a matcher from the patterns. Some malformed patterns only
// cause errors when a path is matched. As upstream, the client reports these.
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
