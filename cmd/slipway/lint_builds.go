package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/lint"
	"slipway/source"
)

// lintBuild is a target in the output of docker buildx bake --print.
type lintBuild struct {
	Context    string             `json:"context"`
	Dockerfile string             `json:"dockerfile"`
	Inline     *string            `json:"dockerfile-inline"`
	Args       map[string]*string `json:"args"`
	Target     string             `json:"target"`
	Platforms  []string           `json:"platforms"`
	Contexts   map[string]string  `json:"contexts"`

	name string
}

// lintBuilds are the targets of --builds by the path of their Dockerfile.
type lintBuilds struct {
	byFile map[string][]*lintBuild
	inline []*lintBuild
}

// readBuilds reads the file of --builds.
func readBuilds(path string) (*lintBuilds, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Target map[string]*lintBuild `json:"target"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w (want the output of docker buildx bake --print)", path, err)
	}
	if len(file.Target) == 0 {
		return nil, fmt.Errorf("%s: no targets (want the output of docker buildx bake --print)", path)
	}
	b := &lintBuilds{byFile: map[string][]*lintBuild{}}
	for _, name := range slices.Sorted(maps.Keys(file.Target)) {
		t := file.Target[name]
		if t == nil {
			return nil, fmt.Errorf("%s: target %s is null", path, name)
		}
		t.name = name
		if _, err := t.platform(); err != nil {
			return nil, fmt.Errorf("%s: target %s: %w", path, name, err)
		}
		switch {
		case t.Inline != nil:
			b.inline = append(b.inline, t)
		case isRemote(t.Context):
			fmt.Fprintf(os.Stderr, "slipway: target %s: not checked, because its Dockerfile is in %s\n", name, t.Context)
		default:
			b.byFile[t.file()] = append(b.byFile[t.file()], t)
		}
	}
	return b, nil
}

// isRemote reports whether a context is not a directory.
func isRemote(s string) bool {
	return strings.Contains(s, "://") || strings.HasPrefix(s, "git@") || strings.HasPrefix(s, "github.com/") || s == "-"
}

// dir returns the directory of the context, or "" if it is remote.
func (t *lintBuild) dir() string {
	switch {
	case isRemote(t.Context):
		return ""
	case t.Context == "":
		return "."
	}
	return t.Context
}

// file returns the path of the Dockerfile.
func (t *lintBuild) file() string {
	name := t.Dockerfile
	if name == "" {
		name = "Dockerfile"
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(t.dir(), name)
}

// platform returns the first platform, or nil.
func (t *lintBuild) platform() (*ocispecs.Platform, error) {
	if len(t.Platforms) == 0 {
		return nil, nil
	}
	p, err := platforms.Parse(t.Platforms[0])
	if err != nil {
		return nil, err
	}
	p = platforms.Normalize(p)
	return &p, nil
}

// apply sets what the target says about the build. The flags and the configuration have set the
// options before. Flags override the target.
func (t *lintBuild) apply(opt *lint.Options, flags *lintFlags) {
	args := map[string]string{}
	maps.Copy(args, opt.BuildArgs)
	for name, value := range t.Args {
		if value != nil {
			args[name] = *value
		}
	}
	flags.setBuildArgs(args)
	opt.BuildArgs = args
	if flags.target == "" && t.Target != "" {
		opt.Target = t.Target
	}
	opt.Platform, _ = t.platform() // readBuilds reports the error
	opt.Several = len(t.Platforms) > 1
	opt.Contexts = map[string]bool{}
	for name := range t.Contexts {
		opt.Contexts[name] = true
	}
}

// files returns the paths of the Dockerfiles in order.
func (b *lintBuilds) files() []string {
	if b == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(b.byFile))
}

// of returns the targets with a Dockerfile.
func (b *lintBuilds) of(path string) []*lintBuild {
	if b == nil {
		return nil
	}
	return b.byFile[filepath.Clean(path)]
}

// inlineBuilds checks the Dockerfiles that are in the file of --builds itself.
func (r *lintRun) inlineBuilds(ctx context.Context) error {
	if r.builds == nil {
		return nil
	}
	for _, t := range r.builds.inline {
		shown := t.name + " (dockerfile-inline)"
		src := source.NewFile(shown, []byte(*t.Inline))
		cfg, err := r.config(".")
		if err != nil {
			return err
		}
		res, err := r.check(ctx, cfg, src, "", []*lintBuild{t})
		if err != nil {
			return err
		}
		r.add(cfg, shown, res)
	}
	return nil
}

// check checks a file, once for each of the builds. Without builds, it checks the file once.
func (r *lintRun) check(ctx context.Context, cfg *lintConfig, src *source.File, path string, builds []*lintBuild) (*lint.Result, error) {
	l := r.linterFor(cfg, path)
	if len(builds) == 0 {
		opt, err := r.options(cfg, path, src, nil)
		if err != nil {
			return nil, err
		}
		return l.Lint(ctx, src, opt), nil
	}
	var results []*lint.Result
	var names []string
	for _, t := range builds {
		opt, err := r.options(cfg, path, src, t)
		if err != nil {
			return nil, err
		}
		results = append(results, l.Lint(ctx, src, opt))
		names = append(names, t.name)
	}
	return lint.Merge(results, names), nil
}
