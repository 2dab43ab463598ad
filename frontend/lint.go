package frontend

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/moby/buildkit/solver/pb"

	"slipway/diag"
	"slipway/source"
)

// lint answers the subrequest lint with the warnings and the error of a build for the
// default platform. Without a target, it checks all stages.
func (b *build) lint(ctx context.Context) (*client.Result, error) {
	if b.callbacks.Found != nil {
		return b.check(ctx)
	}
	res := lint.LintResults{Sources: []*pb.SourceInfo{b.sourceInfo(nil)}}
	b.report = func(_ context.Context, list diag.List) {
		for _, d := range list {
			res.Warnings = append(res.Warnings, b.lintWarning(&res, d))
		}
	}
	if err := b.lintPlan(ctx); err != nil {
		res.Error = lintError(firstError(err))
		if b.isLocal(err) {
			res.Error.Location = pb.Location{}
		}
	}
	return res.ToResult(nil)
}

// lintWarning converts a warning to upstream's format. If the warning is about an included file,
// it adds the file to the sources of the answer res. Clients print the name of the first source
// for all of them, so the detail names the file.
func (b *build) lintWarning(res *lint.LintResults, d *diag.Diagnostic) lint.Warning {
	at := location(d.Context)
	detail := d.Message
	if f := d.Context.File; f != nil && f != b.file.Source {
		info := b.sourceInfo(f)
		i := slices.IndexFunc(res.Sources, func(s *pb.SourceInfo) bool { return s.Filename == info.Filename })
		if i < 0 {
			i = len(res.Sources)
			res.Sources = append(res.Sources, info)
		}
		at.SourceIndex = int32(i)
		detail += " (in " + f.Name + ")"
	}
	if at.Ranges == nil {
		at.Ranges = []*pb.Range{}
	}
	return lint.Warning{RuleName: d.Code, Description: d.Detail, URL: d.URL, Detail: detail, Location: at}
}

// lintError converts an error to upstream's format. The text does not include the hint.
func lintError(err error) *lint.BuildError {
	text := err.Error()
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		text = strings.Replace(text, d.Error(), d.Message, 1)
	}
	return &lint.BuildError{Message: text, Location: pb.Location{Ranges: mergedRanges(err)}}
}

// lintPlan parses and plans the build and reports the warnings.
func (b *build) lintPlan(ctx context.Context) error {
	if err := b.parseBuild(ctx); err != nil {
		return err
	}
	opt := b.options.Plan
	opt.BuildPlatforms = b.buildPlatforms()
	opt.AllStages = opt.Target == ""
	_, err := b.plan(ctx, opt, true)
	return err
}

// mergedRanges returns the ranges of all lines to which the locations of err refer. The
// result is in ascending order and contains no duplicates.
func mergedRanges(err error) []*pb.Range {
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		return nil
	}
	ranges := []source.Range{d.Shown()}
	for _, rel := range d.Related {
		if rel.Message == "" {
			ranges = append(ranges, rel.Shown())
		}
	}
	var list []*pb.Range
	for _, p := range ranges {
		list = append(list, lineRanges(p)...)
	}
	slices.SortStableFunc(list, func(a, b *pb.Range) int { return cmp.Compare(a.Start.Line, b.Start.Line) })
	return slices.CompactFunc(list, func(a, b *pb.Range) bool { return a.Start.Line == b.Start.Line })
}
