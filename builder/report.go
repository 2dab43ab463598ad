package builder

import (
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/diag"
	"slipway/solver"
	"slipway/source"
)

// Report writes an error from [Build] as text, with the lines of the Dockerfile that caused the
// error. If color is true, the text has terminal colors.
func Report(w io.Writer, err error, color bool) error {
	list := diag.List{diagnostic(err)}
	var named *fileError
	if errors.As(err, &named) {
		list = list.Rename(named.paths)
	}
	return diag.Text(w, list, diag.TextOptions{Color: color})
}

// fileError adds the paths of files to an error from a build. Without them, a report would
// contain the frontend's file names, such as Dockerfile.
type fileError struct {
	error
	paths map[string]string
}

// Unwrap returns the error from the build.
func (e *fileError) Unwrap() error { return e.error }

// withPaths adds the paths of the build's Dockerfile and ignore files to err, so that
// Report can print them. If err is nil, it returns nil.
func (o *Options) withPaths(err error) error {
	if err == nil {
		return nil
	}
	return &fileError{err, o.paths()}
}

// paths returns a map from the file names in a frontend's errors to the paths that the
// user gave. The map is nil if the Dockerfile or the context is not local.
func (o *Options) paths() map[string]string {
	if o.File == stdin || o.Context == stdin || isURL(o.Context) {
		return nil
	}
	file := o.file()
	name := filepath.Base(file)
	paths := map[string]string{
		name:                file,
		name + ignoreSuffix: file + ignoreSuffix,
		ignoreSuffix:        filepath.Join(o.Context, ignoreSuffix),
	}
	if lower := filepath.Join(o.Context, strings.ToLower(dockerfile)); o.File == "" && !isFile(file) && isFile(lower) {
		paths[name] = lower
	}
	if o.ShowPath != nil {
		for name, file := range paths {
			paths[name] = o.ShowPath(file)
		}
	}
	return paths
}

// ReportWarnings writes warnings from a build as text, in the format of [Report].
func (o *Options) ReportWarnings(w io.Writer, warnings []client.VertexWarning, color bool) error {
	var list diag.List
	for i := range warnings {
		v := &warnings[i]
		d := &diag.Diagnostic{Severity: diag.Warning, Message: string(v.Short), URL: v.URL}
		if r, ok := lines(v.SourceInfo, v.Range); ok {
			d.Range = r
		}
		for _, line := range v.Detail {
			d.Detail = string(line)
		}
		list = append(list, d)
	}
	return diag.Text(w, list.Rename(o.paths()), diag.TextOptions{Color: color})
}

// diagnostic converts an error from a build to a diagnostic. If our frontend reported the
// error, its range is exact. For a failed operation, the range is the instruction. For an error
// from another frontend, the range is the location in the error, or zero if the error has no
// location.
func diagnostic(err error) *diag.Diagnostic {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return d
	}
	var op *solver.Error
	if errors.As(err, &op) {
		for _, l := range op.Locations {
			if r, ok := lines(l.Source, l.Ranges); ok {
				return diag.Errorf(r, "%w", withoutInstruction(op))
			}
		}
	}
	for _, s := range errdefs.Sources(err) {
		if r, ok := lines(s.Info, s.Ranges); ok {
			return diag.Errorf(r, "%w", err)
		}
	}
	return diag.Errorf(source.Range{}, "%w", err)
}

// withoutInstruction returns the text of an operation's error with the step number in brackets
// in place of the operation's name. The name contains the text of the instruction, which the
// report shows anyway.
func withoutInstruction(op *solver.Error) error {
	isOwn := len(op.Vertex.Locations) > 0
	if !isOwn || op.Vertex.Op.GetExec() == nil && op.Vertex.Op.GetFile() == nil {
		return op
	}
	if number, _, ok := strings.Cut(op.Vertex.Name(), "] "); ok && strings.HasPrefix(number, "[") {
		return stepError{op, number + "] "}
	}
	return op
}

// stepError is an error from an operation, with a text that starts with the number of the
// step, such as "[linux/arm64 stage 2/3] ".
type stepError struct {
	of     *solver.Error
	number string
}

func (e stepError) Error() string { return e.number + e.of.Err.Error() }

// Unwrap returns the error from the operation.
func (e stepError) Unwrap() error { return e.of }

// lines returns the range from the first to the last line of the given ranges in the file that
// info contains. The second result is false if ranges is empty, or if the content of the file
// is unknown.
func lines(info *pb.SourceInfo, ranges []*pb.Range) (source.Range, bool) {
	if info == nil || len(ranges) == 0 {
		return source.Range{}, false
	}
	first, last := int(ranges[0].GetStart().GetLine()), int(ranges[0].GetEnd().GetLine())
	for _, r := range ranges[1:] {
		first, last = min(first, int(r.GetStart().GetLine())), max(last, int(r.GetEnd().GetLine()))
	}
	r := source.NewFile(info.Filename, info.Data).LineRange(first, last)
	return r, !r.IsZero()
}
