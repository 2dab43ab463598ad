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

// Report writes an error of [Build] as text, with the lines of the file that it is
// about.
func Report(w io.Writer, err error, color bool) error {
	list := diag.List{diagnostic(err)}
	var named *fileError
	if errors.As(err, &named) {
		list = list.Rename(named.paths)
	}
	return diag.Text(w, list, diag.TextOptions{Color: color})
}

// fileError is the error of a build with the paths of the files that it names.
type fileError struct {
	error
	paths map[string]string
}

// Unwrap returns the error of the build.
func (e *fileError) Unwrap() error { return e.error }

// located adds the paths of the files of the build to err.
func (o *Options) located(err error) error {
	if err == nil {
		return nil
	}
	return &fileError{err, o.paths()}
}

// paths maps the names that frontends have for files to the paths that the user
// gave for them. Files that are not local keep their names.
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
	return paths
}

// ReportWarnings writes the warnings of a build as text.
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

// diagnostic returns the error with its range in a file. The range comes from our frontend,
// from the instruction of an operation or from another frontend.
func diagnostic(err error) *diag.Diagnostic {
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return d
	}
	var op *solver.Error
	if errors.As(err, &op) {
		for _, l := range op.Locations {
			if r, ok := lines(l.Source, l.Ranges); ok {
				return diag.Errorf(r, "%w", shown(op))
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

// shown returns the error of an operation whose instruction is shown with it. The
// text of the instruction is left out of the name of the operation.
func shown(op *solver.Error) error {
	isOwn := len(op.Vertex.Locations) > 0
	if !isOwn || op.Vertex.Op.GetExec() == nil && op.Vertex.Op.GetFile() == nil {
		return op
	}
	if number, _, ok := strings.Cut(op.Vertex.Name(), "] "); ok && strings.HasPrefix(number, "[") {
		return stepError{op, number + "] "}
	}
	return op
}

// stepError is the error of an operation with the number of its step, as in
// "[linux/arm64 stage 2/3]".
type stepError struct {
	of     *solver.Error
	number string
}

func (e stepError) Error() string { return e.number + e.of.Err.Error() }

// Unwrap returns the error of the operation.
func (e stepError) Unwrap() error { return e.of }

// lines returns the range of lines of a file.
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
