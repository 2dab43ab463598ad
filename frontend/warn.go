package frontend

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"

	"slipway/diag"
	"slipway/linter"
	"slipway/parser"
	"slipway/source"
)

// configureChecks sets the configuration of build checks. It comes from
// BUILDKIT_DOCKERFILE_CHECK or, by default, from the check directive in the Dockerfile.
func (b *build) configureChecks() error {
	if c := b.options.Checks; c != nil {
		b.checks = *c
		return nil
	}
	value, line, ok := parser.Check(b.file.Source.Bytes)
	if ok {
		b.checksRange = valueRange(b.file.Source, line, value)
	}
	var err error
	if b.checks, err = linter.ParseConfig(value); err == nil {
		return nil
	}
	err = fmt.Errorf("failed to parse check options: %w", err)
	at := b.checksRange
	configErr, ok := errors.AsType[*linter.ConfigError](err)
	if !ok || at.IsZero() {
		return err
	}
	at.End = at.Start + configErr.End
	at.Start += configErr.Start
	return diag.Errorf(at, "%w", err).In(b.file.Source.LineRange(line, line)).Hinted("%s", configErr.Hint).KeepLocal()
}

// valueRange returns the range of a directive's value in the given line of the file f. If the
// line does not contain the value, it returns the zero Range.
func valueRange(f *source.File, line int, value string) source.Range {
	text := f.Line(line)
	equals := strings.IndexByte(text, '=') + 1
	i := strings.Index(text[equals:], value)
	if i < 0 {
		return source.Range{}
	}
	start := f.LineStart(line) + equals + i
	return source.Range{File: f, Start: start, End: start + len(value)}
}

// violation returns an error if there are warnings and the configuration of the build checks
// turns warnings into a build failure. The error points at the check directive, if the
// Dockerfile has one.
func (b *build) violation(warnings diag.List) error {
	err := b.checks.Violation(warnings)
	if err == nil || b.checksRange.IsZero() {
		return err
	}
	return diag.Errorf(b.checksRange, "%w", err).KeepLocal()
}

// warn sends warnings to the client, which shows them below the step that reads the
// Dockerfile. It ignores errors from the client, because a lost warning must not fail the
// build.
func (b *build) warn(ctx context.Context, list diag.List) {
	if len(list) == 0 {
		return
	}
	vertex, err := b.file.Map.Definition.Head()
	if err != nil {
		return
	}
	for _, d := range list {
		text := d.Code + ": " + d.Message
		if line, _ := d.Context.Lines(); line > 0 {
			text += fmt.Sprintf(" (line %d)", line)
		}
		opts := client.WarnOpts{
			Level:      1,
			SourceInfo: b.sourceInfo(d.Context.File),
			Range:      lineRanges(d.Context),
			Detail:     [][]byte{[]byte(d.Detail)},
			URL:        d.URL,
		}
		_ = b.client.Warn(ctx, vertex, text, opts)
	}
}
