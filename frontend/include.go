package frontend

import (
	"context"

	"github.com/moby/buildkit/client/llb"

	"slipway/diag"
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
	if err := b.setRules(gate); err != nil {
		return err
	}
	if gate == nil {
		b.dockerfile, diags = instructions.Parse(file)
		return diags.Err()
	}
	return b.parseGated(ctx, file, gate)
}

// parseGated parses a Dockerfile with a gate, and reads the files that it includes and the
// Dockerfiles whose stages it uses.
func (b *build) parseGated(ctx context.Context, file *parser.File, gate *dialect.Gate) error {
	r := b.inputs.IncludeReader()
	b.maps = r.Maps // also of files with errors
	opt := include.Options{
		Gate:      gate,
		Caller:    b.callerRules,
		BuildArgs: b.options.Plan.BuildArgs,
		Reader:    r,
		Origins:   map[*source.File]include.Origin{},
	}
	file, err := include.Resolve(ctx, file, opt)
	if err != nil {
		return err
	}
	var diags diag.List
	b.dockerfile, diags = instructions.ParseGated(file, gate)
	if err := diags.Err(); err != nil {
		return err
	}
	b.dockerfile = include.Others(ctx, b.dockerfile, opt)
	return nil
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
	var d *diag.Diagnostic
	if b.callerRules, d = dialect.ParseOptions(value); d != nil {
		return d
	}
	b.rules = b.rules.Merge(b.callerRules)
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
