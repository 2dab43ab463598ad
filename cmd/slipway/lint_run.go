package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/config"
	"slipway/lint/discover"
	"slipway/lint/report"
	"slipway/source"
)

// lintRun is one run of slipway lint.
type lintRun struct {
	flags   *lintFlags
	given   flagSet
	base    *lint.Linter
	configs map[string]*lintConfig // by directory
	files   []report.File
	failed  bool
	differs bool // whether --diff printed a change
	checker *lintChecker
	builds  *lintBuilds // nil without --builds

	resolvers map[string]*lintImages // by the mode of --resolve
}

// lintConfig is a configuration with the flags applied.
type lintConfig struct {
	*config.Config
	linter    *lint.Linter
	overrides map[string]*lint.Linter // by the patterns that match a file
	baseline  *config.Baseline
}

// stdinArgument is the argument for standard input.
const stdinArgument = "-"

// run checks the files that the arguments select.
func (r *lintRun) run(ctx context.Context, args []string) error {
	names, err := r.names(args)
	if err != nil {
		return usageError{err}
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := r.file(ctx, name); err != nil {
			return err
		}
	}
	if err := r.inlineBuilds(ctx); err != nil {
		return err
	}
	if r.flags.writeBaseline != "" {
		return r.writeBaseline()
	}
	return r.report()
}

// names returns the files to check: those that the arguments select, and the Dockerfiles of
// --builds.
func (r *lintRun) names(args []string) ([]string, error) {
	if r.flags.builds != "" {
		var err error
		if r.builds, err = readBuilds(r.flags.builds); err != nil {
			return nil, err
		}
	} else if len(args) == 0 {
		args = []string{"."}
	}
	names, err := filesOf(args)
	for _, name := range r.builds.files() {
		if !slices.ContainsFunc(names, func(n string) bool { return filepath.Clean(n) == name }) {
			names = append(names, name)
		}
	}
	return names, err
}

// file checks one file.
func (r *lintRun) file(ctx context.Context, name string) error {
	shown := filepath.ToSlash(filepath.Clean(name))
	var data []byte
	var err error
	if name == stdinArgument {
		shown = "stdin"
		if r.flags.stdinName != "" {
			shown = filepath.ToSlash(r.flags.stdinName)
		}
		data, err = io.ReadAll(io.LimitReader(os.Stdin, maxDockerfile+1))
	} else {
		data, err = readBounded(name)
	}
	switch {
	case err != nil:
		return usageError{err}
	case len(data) > maxDockerfile:
		return usageError{fmt.Errorf("%s: larger than %d bytes", shown, maxDockerfile)}
	}
	path := name
	if name == stdinArgument {
		path = r.flags.stdinName
	}
	cfg, err := r.config(filepath.Dir(path))
	if err != nil {
		return err
	}
	if excluded(cfg.Exclude, cfg.Path, path) {
		return nil
	}
	src := source.NewFile(shown, data)
	var res *lint.Result
	if r.flags.fix {
		res, err = r.fix(ctx, cfg, src, name, path)
	} else {
		res, err = r.check(ctx, cfg, src, path, r.builds.of(path))
	}
	if err != nil {
		return err
	}
	r.add(cfg, shown, res)
	return nil
}

// readBounded reads a file, up to one byte more than a Dockerfile may have.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxDockerfile+1))
}

// excluded reports whether one of the patterns of a configuration file excludes a file.
func excluded(patterns []string, configFile, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return discover.Match(pattern, relative(configFile, path)) })
}

// relative returns a path below the directory of a configuration file, with slashes.
func relative(configFile, path string) string {
	if abs, err := filepath.Abs(path); err == nil && configFile != "" {
		if dir, err := filepath.Abs(filepath.Dir(configFile)); err == nil {
			if rel, err := filepath.Rel(dir, abs); err == nil {
				return filepath.ToSlash(rel)
			}
		}
	}
	return filepath.ToSlash(path)
}

// add adds the result of checking a file to the report.
func (r *lintRun) add(cfg *lintConfig, shown string, res *lint.Result) {
	file := report.File{Name: shown, Result: res}
	prints := res.Fingerprints(res.Findings)
	threshold := r.threshold(cfg)
	for i, f := range res.Findings {
		if cfg.baseline != nil && cfg.baseline.Hides(shown, f.Code, prints[i]) {
			file.Hidden++
			continue
		}
		file.Findings = append(file.Findings, f)
		file.Prints = append(file.Prints, prints[i])
		r.failed = r.failed || threshold != lint.Off && rank(f.Severity) <= rank(threshold)
	}
	r.files = append(r.files, file)
}

// rank orders severities, the most severe first.
func rank(s diag.Severity) int {
	if s == diag.Note {
		s = diag.Info
	}
	return int(s)
}

// threshold returns the severity from which findings fail the command, or [lint.Off].
func (r *lintRun) threshold(cfg *lintConfig) diag.Severity {
	f := r.flags
	if s, ok := config.Severity(f.failOn); ok && !f.noFail {
		return s
	}
	switch {
	case f.noFail || f.failOn == "none" || f.failOn == "" && cfg.NoFail:
		return lint.Off
	case cfg.FailOn != nil:
		return *cfg.FailOn
	case cfg.Hadolint:
		return diag.Info
	}
	return diag.Warning
}

// config returns the configuration for the files in a directory.
func (r *lintRun) config(dir string) (*lintConfig, error) {
	path := r.flags.config
	if path == "" && !r.flags.noConfig {
		path = config.Find(dir, os.Getenv)
	}
	if c := r.configs[path]; c != nil {
		return c, nil
	}
	cfg := &config.Config{Settings: lint.Settings{Severity: map[string]diag.Severity{}}}
	if path != "" {
		var err error
		if cfg, err = config.Load(path, r.base); err != nil {
			var d *diag.Diagnostic
			if errors.As(err, &d) {
				_ = diag.Text(os.Stderr, diag.List{d}, diag.TextOptions{Color: isColored(os.Stderr)}) // standard error may be closed
				return nil, usageError{fmt.Errorf("the configuration %s is invalid", path)}
			}
			return nil, usageError{err}
		}
	}
	if cfg.Context != "" && r.flags.context == "" {
		if err := checkDir(filepath.Join(filepath.Dir(path), cfg.Context)); err != nil {
			return nil, usageError{fmt.Errorf("%s: context: %w", path, err)}
		}
	}
	if r.flags.verbose {
		fmt.Fprintf(os.Stderr, "slipway: configuration of %s: %s\n", dir, orNone(path))
	}
	if err := cfg.Environment(os.Getenv, r.base); err != nil {
		return nil, usageError{err}
	}
	if err := r.apply(cfg); err != nil {
		return nil, usageError{err}
	}
	for _, name := range cfg.Formats {
		if err := report.Check(name); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", orNone(path), err)}
		}
	}
	c := &lintConfig{Config: cfg, linter: r.base.With(cfg.Settings), overrides: map[string]*lint.Linter{}}
	if err := r.openBaseline(c); err != nil {
		return nil, usageError{err}
	}
	r.configs[path] = c
	return c, nil
}

// orNone returns the path of a configuration for users.
func orNone(path string) string {
	if path == "" {
		return "none"
	}
	return path
}

// openBaseline reads the baseline of a configuration.
func (r *lintRun) openBaseline(c *lintConfig) error {
	path := r.flags.baseline
	if path == "" && c.Baseline != "" {
		path = c.Baseline
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(c.Path), path)
		}
	}
	if path == "" || r.flags.writeBaseline != "" {
		return nil
	}
	var err error
	c.baseline, err = config.ReadBaseline(path)
	return err
}

// apply applies the flags to a configuration.
func (r *lintRun) apply(cfg *config.Config) error {
	f, s := r.flags, &cfg.Settings
	if f.profile != "" {
		cfg.Profile(f.profile, r.base.Rules())
	}
	if len(f.only) > 0 {
		cfg.Profile("none", r.base.Rules())
	}
	set := func(names []string, to func(*lint.Rule) diag.Severity) {
		for _, name := range names {
			for _, n := range r.base.Expand(name) {
				rule := r.base.Rule(n)
				if rule != nil && rule.Severity == lint.Off && strings.ContainsAny(name, "*?") {
					continue // a pattern does not switch on what is off by default
				}
				s.Severity[n] = to(rule)
			}
		}
	}
	on := func(rule *lint.Rule) diag.Severity {
		if rule == nil || rule.Severity == lint.Off {
			return diag.Warning
		}
		return rule.Severity
	}
	set(f.only, on)
	set(f.enable, on)
	for i, level := range []diag.Severity{diag.Error, diag.Warning, diag.Info, diag.Style} {
		set(f.levels[i], func(*lint.Rule) diag.Severity { return level })
	}
	set(f.ignore, func(*lint.Rule) diag.Severity { return lint.Off })
	if f.reportUnused {
		s.Severity["unusedignore"] = diag.Info
	}
	s.Rules.Registries = append(s.Rules.Registries, f.registries...)
	s.Rules.StrictLabels = s.Rules.StrictLabels || f.strictLabels
	s.DisablePragmas = s.DisablePragmas || f.disablePragma
	for _, spec := range f.labels {
		key, kind, ok := strings.Cut(spec, ":")
		if !ok || !slices.Contains(config.LabelTypes(), kind) {
			return fmt.Errorf("--require-label %s: want KEY:TYPE with a type of %s", spec, strings.Join(config.LabelTypes(), ", "))
		}
		s.Rules.Labels = append(s.Rules.Labels, lint.Label{Key: key, Type: kind})
	}
	return nil
}

// linterFor returns the linter with the settings for a file.
func (r *lintRun) linterFor(cfg *lintConfig, path string) *lint.Linter {
	key := ""
	settings := cfg.Settings
	for _, o := range cfg.Files {
		if !discover.Match(o.Match, relative(cfg.Path, path)) {
			continue
		}
		if key == "" {
			settings.Severity = maps.Clone(settings.Severity)
		}
		key += o.Match + "\x00"
		maps.Copy(settings.Severity, o.Severity)
	}
	if key == "" {
		return cfg.linter
	}
	if cfg.overrides[key] == nil {
		cfg.overrides[key] = r.base.With(settings)
	}
	return cfg.overrides[key]
}
