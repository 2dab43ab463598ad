package lint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/include"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// maxIncluded is the maximum size of an included file.
const maxIncluded = 16 << 20

// commands converts the instructions of the file. In a file with a gate, the instructions of
// included files replace INCLUDEs in f.Dockerfile, but not in f.Syntax.
func (f *File) commands(ctx context.Context, opt Options) diag.List {
	gate, d := dialect.Parse(f.Syntax)
	if gate == nil && d == nil {
		var errs diag.List
		f.Dockerfile, errs = typed(f.Syntax, nil)
		return errs
	}
	f.rootOnly = true
	var list diag.List
	if d != nil {
		list = append(list, d)
	}
	if gate == nil {
		gate = &dialect.Gate{Level: dialect.Newest(), Range: d.Range} // the instructions show which extensions the file uses
	}
	root := withoutIncludes(f.Syntax, func(in *parser.Instruction) bool { return opt.files(includesFrom(in)) == nil })
	f.incomplete = opt.Dir == nil || len(root.Nodes) < len(f.Syntax.Nodes)
	joined, io, err := f.resolve(ctx, root, gate, opt)
	if err != nil {
		list = append(list, f.located(ctx, asDiagnostic(err, f.Source), gate, opt))
		joined = withoutIncludes(root, func(*parser.Instruction) bool { return true })
		f.incomplete = true
	}
	f.Included = joined.Included
	var errs diag.List
	f.Dockerfile, errs = typed(joined, gate)
	for _, d := range errs {
		list = append(list, f.located(ctx, d, gate, opt))
	}
	if len(list) == 0 && opt.Dir != nil {
		f.Dockerfile = include.Others(ctx, f.Dockerfile, io)
	}
	return list
}

// asDiagnostic returns an error as a diagnostic. The location of an error without one is the file.
func asDiagnostic(err error, f *source.File) *diag.Diagnostic {
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return d
	}
	return &diag.Diagnostic{Message: err.Error(), Range: source.Range{File: f}}
}

// resolve replaces the INCLUDEs of a file. Paths are relative to the directory of the Dockerfile.
// It also returns the options for the stages of other Dockerfiles.
func (f *File) resolve(ctx context.Context, root *parser.File, gate *dialect.Gate, opt Options) (*parser.File, include.Options, error) {
	io := include.Options{
		Gate: gate, BuildArgs: opt.BuildArgs,
		Reader:  includeReader{opt: opt, dir: path.Dir(f.Source.Name), missed: &f.incomplete},
		Origins: map[*source.File]include.Origin{root.Source: {Path: path.Base(f.Source.Name)}},
	}
	joined, err := include.Resolve(ctx, root, io)
	return joined, io, err
}

// withoutIncludes returns a file without the INCLUDEs for which drop reports true.
func withoutIncludes(f *parser.File, drop func(*parser.Instruction) bool) *parser.File {
	c := *f
	c.Nodes = nil
	for _, n := range f.Nodes {
		if in, ok := n.(*parser.Instruction); !ok || !strings.EqualFold(in.Keyword.String(), "include") || !drop(in) {
			c.Nodes = append(c.Nodes, n)
		}
	}
	return &c
}

// includesFrom returns the value of the flag --from of an INCLUDE.
func includesFrom(in *parser.Instruction) string {
	for _, flag := range in.Flags {
		if flag.Name == "from" {
			return flag.Value
		}
	}
	return ""
}

// Contains reports whether a range is in the file itself, not in an included file.
func (f *File) Contains(r source.Range) bool {
	return r.File == f.Source || f.Syntax != nil && r.File == f.Syntax.Source
}

// editsOthers reports whether a fix changes an included file.
func (f *File) editsOthers(x diag.Fix) bool {
	return slices.ContainsFunc(x.Edits, func(e diag.Edit) bool { return !f.Contains(e.Range) })
}

// located returns an error about an included file as an error about the INCLUDE that leads to the
// file. A note has the location in the included file.
func (f *File) located(ctx context.Context, d *diag.Diagnostic, gate *dialect.Gate, opt Options) *diag.Diagnostic {
	if d.Range.IsZero() || f.Contains(d.Range) {
		return d
	}
	at := d.Range.Position()
	c := *d
	c.Message = fmt.Sprintf("%s:%d:%d: %s", path.Base(d.Range.File.Name), at.Line, at.Column, d.Message)
	c.Range, c.Context, c.Fixes = f.includeOf(ctx, d.Range.File.Name, gate, opt), source.Range{}, nil
	c.Related = append([]diag.Related{{Range: d.Range, Message: d.Message}}, d.Related...)
	return &c
}

// includeOf returns the range of the INCLUDE that leads to a file, directly or over other files.
func (f *File) includeOf(ctx context.Context, name string, gate *dialect.Gate, opt Options) source.Range {
	var before []parser.Node // ARG and LET
	found := source.Range{File: f.Source}
	for _, in := range f.Syntax.Instructions() {
		keyword := strings.ToLower(in.Keyword.String())
		if keyword == "arg" || keyword == "let" {
			before = append(before, in)
		}
		if keyword != "include" {
			continue
		}
		if found.End == 0 {
			found = in.Rest.Range()
		}
		one := *f.Syntax
		one.Nodes = append(before[:len(before):len(before)], in)
		joined, _, err := f.resolve(ctx, &one, gate, opt)
		if err != nil {
			if r := asDiagnostic(err, f.Source).Range; !r.IsZero() && r.File.Name == name {
				return in.Rest.Range()
			}
		}
		if err == nil && slices.ContainsFunc(joined.Included, func(p *parser.File) bool { return p.Source.Name == name }) {
			return in.Rest.Range()
		}
	}
	return found
}

// files returns the files of a source of INCLUDE, or nil if they are not known.
func (opt Options) files(from string) fs.FS {
	switch {
	case from == "":
		return opt.Dir
	case from == "context" && opt.Listing != nil:
		return opt.Listing.fsys
	}
	return nil
}

// includeReader implements [include.Reader] with directories of this machine.
type includeReader struct {
	opt Options
	dir string // the directory of the Dockerfile, for the names of files

	missed *bool // set if a source is not known
}

// Files implements [include.Reader].
func (r includeReader) Files(_ context.Context, from string, paths []string) ([]include.Content, error) {
	fsys := r.opt.files(from)
	if fsys == nil {
		*r.missed = true
		return nil, errors.New("the files of this source are not known")
	}
	list := make([]include.Content, len(paths))
	for i, name := range paths {
		shown := path.Join(r.dir, name)
		if from != "" {
			shown = from + ":" + name
		}
		data, err := readBounded(fsys, name, maxIncluded)
		if err != nil {
			list[i] = include.Content{Missing: errors.Is(err, fs.ErrNotExist), Err: err}
			continue
		}
		list[i].File = source.NewFile(shown, data)
	}
	return list, nil
}

// Names implements [include.Reader].
func (r includeReader) Names(_ context.Context, from, dir string) []string {
	fsys := r.opt.files(from)
	if fsys == nil {
		return nil
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// readBounded reads a regular file with at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Size() > limit:
		return nil, fmt.Errorf("larger than %d MiB", limit>>20)
	}
	return fs.ReadFile(fsys, name)
}

// readVariables returns the function that reads files for the flag --file.
func (opt Options) readVariables() func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, name string) ([]byte, error) {
		if opt.Listing == nil {
			return nil, nil // the context is not known
		}
		return readBounded(opt.Listing.fsys, strings.TrimPrefix(path.Clean("/"+name), "/"), maxIncluded)
	}
}

// isGlobal reports whether a command may precede the first FROM.
func isGlobal(c instructions.Command) bool {
	_, isArg := c.(*instructions.Arg)
	_, isInclude := c.(*instructions.Include)
	return isArg || isInclude
}
