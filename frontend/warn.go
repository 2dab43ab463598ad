package frontend

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/frontend/gateway/client"

	"slipway/diag"
	"slipway/linter"
	"slipway/parser"
)

// configureChecks reads which build checks to run: what the build argument says,
// else what the file says.
func (b *build) configureChecks() error {
	if c := b.options.Checks; c != nil {
		b.checks = *c
		return nil
	}
	value, _, _ := parser.Check(b.file.Source.Bytes)
	var err error
	if b.checks, err = linter.ParseConfig(value); err != nil {
		return fmt.Errorf("failed to parse check options: %w", err)
	}
	return nil
}

// warn sends warnings to the client. They are shown below the step that reads
// the Dockerfile. One that cannot be sent is lost, which is no reason to fail.
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
			SourceInfo: b.sourceInfo(),
			Range:      lineRanges(d.Context),
			Detail:     [][]byte{[]byte(d.Detail)},
			URL:        d.URL,
		}
		_ = b.client.Warn(ctx, vertex, text, opts)
	}
}
