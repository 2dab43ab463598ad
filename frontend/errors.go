package frontend

import (
	"context"
	"errors"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/status"

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

// firstRange returns the lines of the first of several errors.
func firstRange(err error) source.Range {
	var d *diag.Diagnostic
	if errors.As(firstError(err), &d) {
		return d.Shown()
	}
	return source.Range{}
}

// marshalError is the error of an operation that cannot be encoded.
type marshalError struct{ err error }

// Error returns the error with upstream's text.
func (e *marshalError) Error() string { return "failed to marshal LLB definition: " + e.err.Error() }

// Unwrap returns the error of the operation.
func (e *marshalError) Unwrap() error { return e.err }

// isLocal reports whether clients receive no location for the first of several
// errors, although it has one.
//
// Upstream: errors about encoding operations, the configuration of checks,
// ignore files, and files without a stage have no location.
func (b *build) isLocal(err error) bool {
	var d *diag.Diagnostic
	var m *marshalError
	return errors.As(err, &m) || errors.As(firstError(err), &d) && (d.Local || d.Shown().File != b.file.Source)
}

// located adds locations to an error about the Dockerfile, in the form from
// which clients print the lines. It returns the first of several errors.
func (b *build) located(err error) error {
	err = firstError(err)
	var d *diag.Diagnostic
	if !errors.As(err, &d) {
		return err
	}
	if r := d.Shown(); !r.IsZero() && !b.isLocal(err) {
		err = b.withSource(err, r)
	}
	for _, rel := range d.Related {
		if rel.Message == "" && !rel.Range.IsZero() {
			err = b.withSource(err, rel.Shown())
		}
	}
	return err
}

// whole returns err in a form in which clients receive its whole text. Answers
// of the builder are gRPC statuses. If an error wraps a status, gRPC sends only
// the status and drops the text around it, such as the name of the image or
// option.
func whole(ctx context.Context, err error) error {
	var answer interface {
		error
		GRPCStatus() *status.Status
	}
	if !errors.As(err, &answer) {
		return err
	}
	answered := answer.GRPCStatus().Message()
	before, after, _ := strings.Cut(err.Error(), answer.Error())
	if strings.Contains(answered, strings.TrimSuffix(before, ": ")) { // the status already contains it
		before = ""
	}
	if before == "" && after == "" {
		return err
	}
	st := status.Convert(grpcerrors.ToGRPC(ctx, err)).Proto()
	st.Message = before + answered + after
	return &wholeError{grpcerrors.FromGRPC(status.ErrorProto(st)), err}
}

// wholeError is an error as clients receive it. In this process it also has the
// diagnostic with the exact range.
type wholeError struct {
	error
	cause error
}

// Unwrap returns the error that clients receive.
func (e *wholeError) Unwrap() error { return e.error }

// As finds the diagnostic.
func (e *wholeError) As(target any) bool {
	d, ok := target.(**diag.Diagnostic)
	return ok && errors.As(e.cause, d)
}

// withSource adds a location in the Dockerfile or another file.
func (b *build) withSource(err error, r source.Range) error {
	info := b.sourceInfo()
	if r.File != b.file.Source {
		info = &pb.SourceInfo{Data: r.File.Bytes, Filename: r.File.Name}
	}
	return errdefs.WithSource(err, &errdefs.Source{Info: info, Ranges: lineRanges(r)})
}

// sourceInfo returns the Dockerfile in the form that clients expect.
func (b *build) sourceInfo() *pb.SourceInfo {
	sm := b.file.Map
	return &pb.SourceInfo{Data: sm.Data, Filename: sm.Filename, Language: sm.Language, Definition: sm.Definition.ToPB()}
}

// lineRanges returns one range per line of r, as clients expect.
func lineRanges(r source.Range) []*pb.Range {
	if r.IsZero() {
		return nil
	}
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
