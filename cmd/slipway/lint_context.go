package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway/ignore"
	"slipway/lint"
	"slipway/lint/discover"
	"slipway/source"
)

// filesOf returns the files that the arguments select, without duplicates.
func filesOf(args []string) ([]string, error) {
	var names []string
	for _, arg := range args {
		found := []string{arg}
		if arg != stdinArgument {
			var err error
			if found, err = discover.Files([]string{arg}); err != nil {
				return nil, err
			}
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no Dockerfile found", arg)
		}
		for _, name := range found {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// options returns what is known about the build of a file, its base images, and ShellCheck. The
// parameter build is a target of --builds, or nil.
func (r *lintRun) options(cfg *lintConfig, path string, src *source.File, build *lintBuild) (lint.Options, error) {
	opt := r.buildOptions(cfg, path, src, build)
	images, err := r.images(cfg)
	if err != nil {
		return opt, usageError{fmt.Errorf("--resolve: %w", err)}
	}
	opt.Images = images.image
	if opt.ShellCheck, err = r.shellCheck(cfg); err != nil {
		return opt, usageError{err}
	}
	return opt, nil
}

// buildOptions returns what is known about the build of a file. The parameter build is a target of
// --builds, or nil.
func (r *lintRun) buildOptions(cfg *lintConfig, path string, src *source.File, build *lintBuild) lint.Options {
	opt := lint.Options{BuildArgs: maps.Clone(cfg.Args), Target: cfg.Target}
	if r.flags.target != "" {
		opt.Target = r.flags.target
	}
	if len(r.flags.buildArgs) > 0 && opt.BuildArgs == nil {
		opt.BuildArgs = map[string]string{}
	}
	r.flags.setBuildArgs(opt.BuildArgs)
	if build != nil {
		build.apply(&opt, r.flags)
	}
	if path != "" {
		opt.Dir = os.DirFS(filepath.Dir(path))
	}
	if dir := r.contextOf(cfg, path, src, build); dir != "" {
		opt.Ignore = readIgnoreFile(dir, path)
		opt.Listing = lint.NewListing(os.DirFS(dir), opt.Ignore)
	} else if r.flags.verbose {
		fmt.Fprintf(os.Stderr, "slipway: %s: the context is unknown (set --context)\n", src.Name)
	}
	return opt
}

// setBuildArgs adds the arguments of --build-arg to args, which must not be nil if there are any.
func (f *lintFlags) setBuildArgs(args map[string]string) {
	for _, arg := range f.buildArgs {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			value = os.Getenv(name)
		}
		args[name] = value
	}
}

// contextOf returns the directory of the build context, or "" if it is unknown.
func (r *lintRun) contextOf(cfg *lintConfig, path string, src *source.File, build *lintBuild) string {
	switch {
	case r.flags.context != "":
		return r.flags.context
	case build != nil:
		return build.dir()
	case cfg.Context != "":
		return filepath.Join(filepath.Dir(cfg.Path), cfg.Context)
	case path != "" && hasSource(filepath.Dir(path), src):
		return filepath.Dir(path)
	}
	return ""
}

// checkDir returns an error unless the path is a directory.
func checkDir(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", path)
	}
	return err
}

// readIgnoreFile returns the ignore file of a Dockerfile or of its context, or nil.
func readIgnoreFile(dir, dockerfile string) *ignore.Matcher {
	for _, name := range []string{dockerfile + ".dockerignore", filepath.Join(dir, ".dockerignore")} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if m, err := ignore.Parse(source.NewFile(name, data)); err == nil {
			return m
		}
	}
	return nil
}

// hasSource reports whether a directory contains a source of a COPY or ADD of a Dockerfile, so
// that it probably is the context.
func hasSource(dir string, src *source.File) bool {
	for line := range bytes.SplitSeq(src.Bytes, []byte("\n")) {
		words := strings.Fields(string(line))
		if len(words) < 3 || !strings.EqualFold(words[0], "copy") && !strings.EqualFold(words[0], "add") {
			continue
		}
		for _, w := range words[1 : len(words)-1] {
			if strings.HasPrefix(w, "--from") {
				break
			}
			if strings.HasPrefix(w, "-") || strings.ContainsAny(w, "$*?[\"'<\\:") || w == "." || w == "./" {
				continue
			}
			if _, err := os.Stat(filepath.Join(dir, w)); err == nil {
				return true
			}
		}
	}
	return false
}
