package samebuild

import (
	"context"
	"errors"

	"slipway/diag"
	"slipway/format"
	"slipway/parser"
	"slipway/source"
)

// Format lays out a file like [format.Format], and compares the builds of the file before and
// after. An instruction whose layout would change the build stays as it is, and Format returns an
// error for it, together with the edits for all other instructions. With Options.Shell, the builds
// are compared before scripts are laid out.
func Format(ctx context.Context, f *parser.File, opt format.Options) ([]diag.Edit, error) {
	plain := opt
	plain.Shell, plain.Refused = false, nil
	layout, formatErr := format.New(f, plain)
	err := compareLayout(ctx, f, layout)
	var errs diag.List
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		plain.Keep, errs = changing(ctx, f, plain)
		layout, formatErr = format.New(f, plain)
		if compareLayout(ctx, f, layout) != nil {
			return nil, internalError(source.Range{File: f.Source}, "the file", err)
		}
	}
	if opt.Shell {
		opt.Keep = plain.Keep
		layout, formatErr = format.New(f, opt)
	}
	return layout.Edits, append(diagnostics(formatErr), errs...).Err()
}

// changing returns the instructions whose layout would change the build, with an error for each.
func changing(ctx context.Context, f *parser.File, opt format.Options) (keep func(index int) bool, errs diag.List) {
	found := map[int]bool{}
	for i, in := range f.Instructions() {
		opt.Keep = func(index int) bool { return index != i }
		only, _ := format.New(f, opt)
		if err := compareLayout(ctx, f, only); err != nil {
			found[i] = true
			errs = append(errs, internalError(in.Head(), "this instruction", err))
		}
	}
	return func(index int) bool { return found[index] }, errs
}

// internalError returns the error for a part of a file that cannot be laid out.
func internalError(r source.Range, part string, err error) *diag.Diagnostic {
	return diag.Errorf(r, "internal error: the layout would change the build: %w (%s stays as it is; please report this)", err, part)
}

// diagnostics returns the diagnostics in an error of [format.Format].
func diagnostics(err error) diag.List {
	var list diag.List
	var d *diag.Diagnostic
	switch {
	case errors.As(err, &list):
		return list
	case errors.As(err, &d):
		return diag.List{d}
	}
	return nil
}

// compareLayout compares the builds of f before and after a layout.
func compareLayout(ctx context.Context, f *parser.File, layout format.Layout) error {
	if len(layout.Edits) == 0 {
		return nil
	}
	return Compare(ctx, f, layout.File)
}
