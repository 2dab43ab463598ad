package inputs

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"slipway/frontend/options"
	"slipway/source"
)

const (
	ignoreName   = ".dockerignore"
	ignoreSuffix = ".dockerignore"
	language     = "Dockerfile"
)

// Dockerfile is the Dockerfile as read.
type Dockerfile struct {
	Source *source.File
	Map    *llb.SourceMap // for locations on operations and errors
}

// ignoreFile is an ignore file as read.
type ignoreFile struct {
	name    string
	content []byte
}

// Dockerfile reads the Dockerfile and the ignore file beside it.
func (in *Inputs) Dockerfile(ctx context.Context) (*Dockerfile, error) {
	name := in.options.Filename
	spellings := []string{name}
	if path.Base(name) == options.DefaultFilename {
		spellings = append(spellings, path.Join(path.Dir(name), strings.ToLower(options.DefaultFilename)))
	}
	follow := append([]string{name, name + ignoreSuffix}, spellings[1:]...)
	st := in.local(in.options.DockerfileDir, "load build definition from "+name, in.options.DockerfileDir,
		llb.FollowPaths(follow), llb.Differ(llb.DiffNone, false))
	ref, def, err := in.open(ctx, st)
	if err != nil {
		return nil, fmt.Errorf("failed to resolve dockerfile: %w", err)
	}
	content, err := readFile(ctx, ref, spellings[0])
	if err != nil && len(spellings) > 1 && !isTooLarge(err) {
		if other, otherErr := readFile(ctx, ref, spellings[1]); otherErr == nil {
			content, err = other, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("failed to read dockerfile: %w", err)
	}
	ignore, err := readFile(ctx, ref, name+ignoreSuffix)
	if isTooLarge(err) {
		return nil, err
	}
	// Upstream: over gRPC an empty file is like none.
	if err == nil && ignore != nil {
		in.own = &ignoreFile{name + ignoreSuffix, ignore}
	}
	sm := llb.NewSourceMap(&st, name, language, content)
	sm.Definition = def
	return &Dockerfile{Source: source.NewFile(name, content), Map: sm}, nil
}

// readIgnore returns the patterns of what the context leaves out: those beside
// the Dockerfile, else those of the context. A context without the file has
// none.
func (in *Inputs) readIgnore(ctx context.Context) ([]string, error) {
	f := in.own
	if f == nil {
		st := in.local(contextDir, "load "+ignoreName, contextDir+"-"+ignoreName,
			llb.FollowPaths([]string{ignoreName}), llb.Differ(llb.DiffNone, false))
		ref, _, err := in.open(ctx, st)
		if err != nil {
			return nil, err
		}
		content, err := readFile(ctx, ref, ignoreName)
		if isTooLarge(err) {
			return nil, err
		}
		f = &ignoreFile{ignoreName, content}
	}
	if len(f.content) == 0 {
		return nil, nil
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(f.content))
	if err != nil {
		return nil, fmt.Errorf("failed parsing %s: %w", f.name, err)
	}
	return patterns, nil
}

// Ignore reads the ignore file and checks its patterns.
func (in *Inputs) Ignore(ctx context.Context) error {
	patterns, err := in.ignore(ctx)
	if err != nil {
		return err
	}
	_, err = patternmatcher.New(patterns)
	return err
}
