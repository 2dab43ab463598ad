package frontend

import (
	"context"

	"github.com/moby/buildkit/client/llb"

	"slipway/dialect"
	"slipway/include"
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// parseFile parses the Dockerfile into b.dockerfile. If the file has a gate, it also reads the
// files that the Dockerfile includes. An error about an instruction leaves b.dockerfile set.
func (b *build) parseFile(ctx context.Context) error {
	file, diags := parser.Parse(b.file.Source)
	if err := diags.Err(); err != nil {
		return err
	}
	gate, d := dialect.Parse(file)
	if d != nil {
		return d
	}
	if gate != nil {
		var err error
		if file, err = b.include(ctx, file, gate); err != nil {
			return err
		}
	}
	if err := b.setRules(gate); err != nil {
		return err
	}
	b.dockerfile, diags = instructions.ParseGated(file, gate)
	return diags.Err()
}

// include replaces the INCLUDE instructions of a file.
func (b *build) include(ctx context.Context, file *parser.File, gate *dialect.Gate) (*parser.File, error) {
	r := b.inputs.IncludeReader()
	b.maps = r.Maps // also of files with errors
	return include.Resolve(ctx, file, include.Options{
		Gate:      gate,
		BuildArgs: b.options.Plan.BuildArgs,
		Reader:    r,
	})
}

// setRules sets the options of the gate. Options in the build argument SLIPWAY_OPTIONS replace
// them.
func (b *build) setRules(gate *dialect.Gate) error {
	if gate != nil {
		b.rules = gate.Options
	}
	value, ok := b.options.Plan.BuildArgs["SLIPWAY_OPTIONS"]
	if !ok {
		return nil
	}
	o, d := dialect.ParseOptions(value)
	if d != nil {
		return d
	}
	b.rules = b.rules.Merge(o)
	return nil
}

// sourceMap returns the source map of the Dockerfile or of an included file. For any other
// file, it returns nil.
func (b *build) sourceMap(f *source.File) *llb.SourceMap {
	if f == b.file.Source {
		return b.file.Map
	}
	return b.maps[f]
}

// extendedOptions returns the options of a plan with those that only extensions use.
func (b *build) extendedOptions(opt plan.Options) plan.Options {
	opt.Rules = b.rules
	opt.ReadFile = b.inputs.ReadFile
	return opt
}
