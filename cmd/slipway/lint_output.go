package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/config"
	"slipway/lint/fix"
	"slipway/lint/report"
	"slipway/source"
)

// fix fixes a file and returns the result of checking it afterwards. It writes the file, prints
// a diff, or prints the new text if the file is standard input, whose name is stdinArgument.
func (r *lintRun) fix(ctx context.Context, cfg *lintConfig, src *source.File, name, path string) (*lint.Result, error) {
	opt, err := r.options(cfg, path, src, nil)
	if err != nil {
		return nil, err
	}
	o := fix.Options{Unsafe: r.flags.unsafe, Lint: opt}
	if len(r.flags.fixOnly) > 0 {
		var only []string
		for _, n := range r.flags.fixOnly {
			only = append(only, r.base.Expand(n)...)
		}
		o.Only = func(f *lint.Finding) bool {
			return slices.Contains(only, strings.ToLower(f.Code)) || slices.Contains(only, strings.ToLower(f.Alias))
		}
	}
	res := fix.Apply(ctx, r.linterFor(cfg, path), src, o)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, f := range res.Undone {
		fmt.Fprintf(os.Stderr, "slipway: %s: the fix for %s was undone, because it causes an error\n", src.Name, f.Code)
	}
	switch {
	case r.flags.diff:
		if text := fix.Diff(src.Name, src.Bytes, res.Text); text != "" {
			r.differs = true
			if _, err := io.WriteString(textTo(os.Stdout), text); err != nil {
				return nil, err
			}
		}
	case name == stdinArgument:
		if _, err := os.Stdout.Write(res.Text); err != nil {
			return nil, err
		}
	case !bytes.Equal(res.Text, src.Bytes):
		if err := replaceFile(name, src.Bytes, res.Text); err != nil {
			return nil, err
		}
	}
	return res.Last, nil
}

// report writes the reports and returns the error that sets the exit code.
func (r *lintRun) report() error {
	specs := r.flags.formats
	if len(specs) == 0 {
		specs = r.defaultFormats()
	}
	for _, spec := range specs {
		name, file, toFile := strings.Cut(spec, "=")
		opt := report.Options{Version: version(), Rules: r.base.Rules(), ShowSuppressed: r.flags.suppressed}
		if !toFile {
			if r.flags.quiet {
				continue
			}
			out := r.output()
			opt.Color = isColored(out) && !r.flags.noColor
			if err := report.Write(textTo(out), name, r.files, opt); err != nil {
				return err
			}
			continue
		}
		var b bytes.Buffer
		if err := report.Write(&b, name, r.files, opt); err != nil {
			return err
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			return usageError{err}
		}
	}
	r.reportBaseline()
	if r.failed || r.differs {
		return foundError{}
	}
	return nil
}

// output returns the file for reports: standard output, unless that has the fixed text or a
// diff.
func (r *lintRun) output() *os.File {
	if r.flags.fix && (r.flags.diff || slices.ContainsFunc(r.files, func(f report.File) bool { return f.Name == "stdin" })) {
		return os.Stderr
	}
	return os.Stdout
}

// defaultFormats returns the formats from the configuration if all files have the same one, or
// text.
func (r *lintRun) defaultFormats() []string {
	for _, c := range r.configs {
		if len(r.configs) == 1 && len(c.Formats) > 0 {
			return c.Formats
		}
	}
	return []string{"text"}
}

// reportBaseline prints the entries of the baselines that no finding has used, if the user asked
// for details.
func (r *lintRun) reportBaseline() {
	if !r.flags.verbose {
		return
	}
	var lines []string
	for _, c := range r.configs {
		if c.baseline == nil {
			continue
		}
		for _, e := range c.baseline.Left() {
			lines = append(lines, fmt.Sprintf("slipway: %s: the baseline has a finding of %s that no longer exists\n", e.Path, e.Rule))
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Fprint(os.Stderr, diag.Block(line))
	}
}

// writeBaseline writes all findings to the file of --write-baseline.
func (r *lintRun) writeBaseline() error {
	var b config.Baseline
	n := 0
	for _, file := range r.files {
		for i, f := range file.Findings {
			b.Add(file.Name, f.Code, file.Prints[i])
			n++
		}
	}
	data, err := b.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.flags.writeBaseline, data, 0o644); err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintf(os.Stdout, "%s: %d findings\n", r.flags.writeBaseline, n)
	return err
}
