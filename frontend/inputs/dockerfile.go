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

	containerfile = "Containerfile" // the default file name in Podman and Buildah
)

// Dockerfile contains the text of a Dockerfile and its source map.
type Dockerfile struct {
	Source *source.File
	Map    *llb.SourceMap // for the source locations of operations and errors
}

// ignoreFile is a parsed ignore file, such as .dockerignore. The zero value excludes
// nothing.
type ignoreFile struct {
	name     string
	content  []byte
	patterns []string // nil until parsed
}

// Dockerfile reads the Dockerfile and the ignore file next to it
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
	if err != nil && m.dockerfile != nil && !in.options.FilenameSet {
		// Upstream: it does not look for a Containerfile, so this is an error.
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
	// Upstream: over gRPC, an empty file is indistinguishable from a missing one.
	if ignoreErr == nil && ignore != nil {
		in.ownIgnore = &ignoreFile{name: name + ignoreSuffix, content: ignore}
	}
	sm := llb.NewSourceMap(st, name, language, content)
	sm.Definition = def
	return &Dockerfile{Source: source.NewFile(name, content), Map: sm}, nil
}

// sshHint returns a hint for the error about a missing SSH key. It returns "" for other
// errors.
func sshHint(err error) string {
	m := regexp.MustCompile(`no SSH key "(\S+)" forwarded from the client$`).FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	return " (forward an agent or a key: --ssh " + m[1] + ")"
}

// readEither returns the content of the first readable file among the files with the given
// names. If a file is too large, it returns an error. If no file is readable, it returns the
// error from reading the first file.
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

// readIgnore returns the ignore file of the main context. The ignore file next to the
// Dockerfile takes precedence over .dockerignore in the context. If neither file exists or
// the context is remote, the result excludes nothing.
func (in *Inputs) readIgnore(ctx context.Context) (*ignoreFile, error) {
	m, err := in.main(ctx)
	if err != nil || m.state != nil {
		return &ignoreFile{}, err
	}
	if in.ownIgnore != nil {
		return in.ownIgnore.parse()
	}
	st := in.local(contextName, "[internal] load "+ignoreName, contextName+"-"+ignoreName,
		llb.FollowPaths([]string{ignoreName}), llb.Differ(llb.DiffNone, false))
	ref, _, err := in.open(ctx, st)
	if err != nil {
		return nil, err
	}
	return readRoot(ctx, ref)
}

// namedIgnore returns the patterns in the ignore file of a named local context. name is
// the name of the local source, and key is the name of the context in progress output.
func (in *Inputs) namedIgnore(ctx context.Context, name, key string) ([]string, error) {
	st := in.local(name, "[context "+key+"] load "+ignoreName, "context:"+key+"-"+ignoreName,
		llb.FollowPaths([]string{ignoreName}), llb.Differ(llb.DiffNone, false))
	def, err := st.Marshal(ctx)
	if err != nil {
		return nil, err
	}
	// The request evaluates the source immediately. Otherwise, a missing directory would
	// look like a missing ignore file.
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

// readRoot reads and parses .dockerignore in the root directory of a context. ref is the
// solved context.
func readRoot(ctx context.Context, ref client.Reference) (*ignoreFile, error) {
	content, err := fetchFile(ctx, ref, ignoreName)
	if isTooLarge(err) {
		return nil, err
	}
	return (&ignoreFile{name: ignoreName, content: content}).parse()
}

// parse parses the content of the ignore file f and stores the patterns in f. If the
// content is valid, it returns f.
func (f *ignoreFile) parse() (*ignoreFile, error) {
	if len(f.content) == 0 {
		return f, nil
	}
	var err error
	if f.patterns, err = ignore.Patterns(f.content); err != nil {
		return nil, f.withLine(fmt.Errorf("failed parsing %s: %w", f.name, err))
	}
	return f, nil
}

// withLine adds the location of the invalid line to an error about the ignore file.
func (f *ignoreFile) withLine(err error) error {
	_, parseErr := ignore.Parse(source.NewFile(f.name, f.content))
	line, ok := errors.AsType[*ignore.LineError](parseErr)
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

// Ignore returns the matcher for the ignore file of the main context, or nil if the file
// excludes nothing.
func (in *Inputs) Ignore(ctx context.Context) (*ignore.Matcher, error) { return in.matcher(ctx) }

// parseIgnore returns a matcher for the patterns in the ignore file of the main context.
// Some malformed patterns cause an error only when a path is matched. As with upstream's
// frontend, the client reports such an error.
func (in *Inputs) parseIgnore(ctx context.Context) (*ignore.Matcher, error) {
	f, err := in.ignore(ctx)
	if err != nil || len(f.patterns) == 0 {
		return nil, err
	}
	if _, err := patternmatcher.New(f.patterns); err != nil {
		return nil, f.withLine(err)
	}
	m, err := ignore.Parse(source.NewFile(f.name, f.content))
	if limit, tooLarge := errors.AsType[*ignore.LimitError](err); tooLarge {
		line, _ := errors.AsType[*ignore.LineError](err)
		return nil, diag.Errorf(line.Range, "%w", limit)
	}
	return m, nil
}
