package frontend

import (
	"errors"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/diag"
	"slipway/source"
)

// firstError returns the first of several errors about the Dockerfile.
func firstError(err error) error {
	var l diag.List
	if errors.As(err, &l) && len(l) > 0 {
		return l[0]
	}
	return err
}

// located gives an error about the Dockerfile its places, in the form in which
// clients print the lines. Of several errors the first is returned.
func (b *build) located(err error) error {
	err = firstError(err)
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		return err
	}
	if r := d.Shown(); !r.IsZero() {
		err = b.withSource(err, r)
	}
	for _, rel := range d.Related {
		if rel.Message == "" && !rel.Range.IsZero() {
			err = b.withSource(err, rel.Range)
		}
	}
	return err
}

// withSource adds a place.
func (b *build) withSource(err error, r source.Range) error {
	sm := b.file.Map
	return errdefs.WithSource(err, &errdefs.Source{
		Info: &pb.SourceInfo{
			Data:       sm.Data,
			Filename:   sm.Filename,
			Language:   sm.Language,
			Definition: sm.Definition.ToPB(),
		},
		Ranges: lineRanges(r),
	})
}

// lineRanges returns the lines of the range, one by one, as clients expect it.
func lineRanges(r source.Range) []*pb.Range {
	var list []*pb.Range
	first, last := r.Lines()
	for n := first; n <= last; n++ {
		list = append(list, &pb.Range{
			Start: &pb.Position{Line: int32(n)},
			End:   &pb.Position{Line: int32(n)},
		})
	}
	return list
}
