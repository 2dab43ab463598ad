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

// firstError returns the first error in err if err is a list of errors about the
// Dockerfile. Any other err is returned unchanged.
func firstError(err error) error {
	var l diag.List
	if errors.As(err, &l) && len(l) > 0 {
		return l[0]
	}
	return err
}

// firstRange returns the range of the first error in err, as selected by firstError. If
// that error has no range, firstRange returns the zero range.
func firstRange(err error) source.Range {
	var d *diag.Diagnostic
	if errors.As(firstError(err), &d) {
		return d.Shown()
	}
	return source.Range{}
}

// marshalError is the error for an operation that cannot be encoded.
type marshalError struct{ err error }

// Error returns the same text as upstream's frontend: "failed to marshal LLB definition: "
// and the cause.
func (e *marshalError) Error() string { return "failed to marshal LLB definition: " + e.err.Error() }

// Unwrap returns the error from encoding the operation.
func (e *marshalError) Unwrap() error { return e.err }

// isLocal reports whether clients must not receive the location of the first error in err,
// because upstream sends no location for it.
//
// Upstream: errors about encoding operations, the configuration of checks, ignore files,
// and files without a stage have no location.
func (b *build) isLocal(err error) bool {
	var d *diag.Diagnostic
	var m *marshalError
	return errors.As(err, &m) || errors.As(firstError(err), &d) && (d.Local || b.sourceMap(d.Shown().File) == nil)
}

// withLocations returns the first error in err, as selected by firstError, with its
// locations in the Dockerfile attached. Clients print the lines at these locations.
func (b *build) withLocations(err error) error {
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

// withFullText converts err so that clients receive its full text. Errors from the
// builder are gRPC statuses. If an error wraps a status, gRPC sends only the status and
// drops the text around it, such as the name of the image or option.
func withFullText(ctx context.Context, err error) error {
	var answer interface {
		error
		GRPCStatus() *status.Status
	}
	if !errors.As(err, &answer) {
		return err
	}
	message := answer.GRPCStatus().Message()
	before, after, _ := strings.Cut(err.Error(), answer.Error())
	if strings.Contains(message, strings.TrimSuffix(before, ": ")) { // the status already contains it
		before = ""
	}
	if before == "" && after == "" {
		return err
	}
	st := status.Convert(grpcerrors.ToGRPC(ctx, err)).Proto()
	st.Message = before + message + after
	return &clientError{grpcerrors.FromGRPC(status.ErrorProto(st)), err}
}

// clientError is an error whose full text reaches clients. Inside this process, errors.As
// also finds the diagnostic with the exact range.
type clientError struct {
	error
	cause error
}

// Unwrap returns the error that clients receive.
func (e *clientError) Unwrap() error { return e.error }

// As implements errors.As for targets of the type **diag.Diagnostic.
func (e *clientError) As(target any) bool {
	d, ok := target.(**diag.Diagnostic)
	return ok && errors.As(e.cause, d)
}

// withSource adds a location to an error. The location is in the Dockerfile or in another
// file, such as the ignore file.
func (b *build) withSource(err error, r source.Range) error {
	info := &pb.SourceInfo{Data: r.File.Bytes, Filename: r.File.Name}
	if b.sourceMap(r.File) != nil {
		info = b.sourceInfo(r.File)
	}
	return errdefs.WithSource(err, &errdefs.Source{Info: info, Ranges: lineRanges(r)})
}

// sourceInfo returns the Dockerfile, or the included file f, as a protobuf message, so that
// clients can print the lines at an error or warning.
func (b *build) sourceInfo(f *source.File) *pb.SourceInfo {
	sm := b.sourceMap(f)
	if sm == nil {
		sm = b.file.Map
	}
	return &pb.SourceInfo{Data: sm.Data, Filename: sm.Filename, Language: sm.Language, Definition: sm.Definition.ToPB()}
}

// lineRanges returns one range for each line that r touches, as clients expect.
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
