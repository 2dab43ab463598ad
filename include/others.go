package include

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
)

// Others reads the Dockerfiles whose stages d, the Dockerfile of a build, uses, and the
// Dockerfiles that these use. It returns a copy of d with the files, or d itself if it refers to
// no other Dockerfile. A file that cannot be used is an error only if the build uses it.
func Others(ctx context.Context, d *instructions.Dockerfile, opt Options) *instructions.Dockerfile {
	l := &loader{opt: opt, refs: map[instructions.FileRef]*instructions.OtherFile{}, files: map[Origin]*other{}}
	root := &other{origin: opt.Origins[d.File.Source], file: &instructions.OtherFile{}}
	root.file.Name = root.origin.String()
	c := *d
	c.Others = l.refs
	root.file.Dockerfile = &c
	l.files[root.origin] = root
	for pending := l.uses(root); len(pending) > 0; {
		pending = l.load(ctx, pending)
	}
	if len(l.refs) == 0 {
		return d
	}
	l.check(root, nil)
	return &c
}

// loader holds the state of one call of [Others].
type loader struct {
	opt   Options
	refs  map[instructions.FileRef]*instructions.OtherFile
	files map[Origin]*other
	bytes int
}

// other is a Dockerfile, with the files that it uses.
type other struct {
	origin Origin
	file   *instructions.OtherFile
	uses   []use
	height int  // the number of files in the longest chain of files that use each other; 0 until known
	open   bool // whether check visits the files that this one uses
}

// use is a reference to another Dockerfile.
type use struct {
	ref  instructions.FileRef
	word parser.Word
	to   *other
}

// uses records the references in the file u. It returns the files that must be read.
func (l *loader) uses(u *other) []*other {
	d := u.file.Dockerfile
	if d == nil || d.Gate == nil {
		return nil
	}
	words := d.FileRefs()
	if len(words) == 0 {
		return nil
	}
	vars := newVariables(l.opt.BuildArgs)
	for _, arg := range d.Args {
		vars.define(d.File.EscapeOf(arg.In.Rng.File), arg)
	}
	var pending []*other
	for _, w := range words {
		r, _ := dialect.ParseFileRef(w.Value)
		ref := instructions.FileRef{In: w.Text.File(), Text: r.File}
		if l.refs[ref] != nil {
			continue
		}
		origin, bad := l.resolve(vars, u, w, r)
		if bad == nil && l.files[origin] == nil && len(l.files) > maxFiles {
			bad = diag.Errorf(w.Text.Range(), "more than %d other Dockerfiles are used", maxFiles)
		}
		if bad != nil {
			l.refs[ref] = &instructions.OtherFile{Name: r.File, Err: bad}
			continue
		}
		to := l.files[origin]
		if to == nil {
			to = &other{origin: origin, file: &instructions.OtherFile{Name: origin.String()}}
			l.files[origin] = to
			pending = append(pending, to)
		}
		l.refs[ref] = to.file
		u.uses = append(u.uses, use{ref, w, to})
	}
	return pending
}

// resolve returns the location of the file that the word w in the file u refers to.
func (l *loader) resolve(vars variables, u *other, w parser.Word, r dialect.FileRef) (Origin, *diag.Diagnostic) {
	name := parser.Word{Value: r.File, Text: w.Text}
	if w.Value == w.Text.String() {
		name.Text = w.Text.Slice(0, len(r.File))
	}
	value, d := vars.expand(u.file.Dockerfile.File.EscapeOf(w.Text.File()), name, "a reference to a file")
	if d != nil {
		return Origin{}, d
	}
	at := l.opt.Origins[w.Text.File()]
	if r.Context == "" {
		at.Path = path.Join(path.Dir(at.Path), value)
	} else {
		at = Origin{r.Context, path.Clean(strings.TrimPrefix(value, r.Context+":"))}
	}
	switch {
	case at.Path == ".":
		return at, diag.Errorf(name.Text.Range(), "%s is a directory: a reference needs the path of a Dockerfile", value)
	case at.Path != ".." && !strings.HasPrefix(at.Path, "../"):
		return at, nil
	case at.From == "":
		return at, diag.Errorf(name.Text.Range(), "%s is above the directory of the Dockerfile, which is all that the client sends: write context:./%s", value, path.Base(value))
	}
	return at, diag.Errorf(name.Text.Range(), "%s is above the root of %s", value, at.From)
}

// load reads and parses files. It returns the files that must be read next.
func (l *loader) load(ctx context.Context, pending []*other) []*other {
	bySource := map[string][]*other{}
	for _, u := range pending {
		bySource[u.origin.From] = append(bySource[u.origin.From], u)
	}
	var next []*other
	for _, from := range slices.Sorted(maps.Keys(bySource)) {
		units := bySource[from]
		var paths []string
		for _, u := range units {
			paths = append(paths, u.origin.Path)
		}
		contents, err := l.opt.Reader.Files(ctx, from, paths)
		for i, u := range units {
			if err != nil {
				u.file.Err = fmt.Errorf("cannot read %s: %w", u.file.Name, err)
				continue
			}
			if u.file.Err = l.parse(ctx, u, contents[i]); u.file.Err == nil {
				next = append(next, l.uses(u)...)
			}
		}
	}
	return next
}

// parse parses a file that has been read.
func (l *loader) parse(ctx context.Context, u *other, c Content) error {
	switch {
	case c.Missing:
		hint := suggestFile(l.opt.Reader.Names(ctx, u.origin.From, path.Dir(u.origin.Path)), u.origin.Path)
		return fmt.Errorf("cannot read %s: no such file%s", u.file.Name, hint)
	case c.Err != nil:
		return fmt.Errorf("cannot read %s: %w", u.file.Name, c.Err)
	case bytes.IndexByte(c.File.Bytes, 0) >= 0:
		return fmt.Errorf("%s is not a Dockerfile: it contains NUL bytes", u.file.Name)
	}
	if l.bytes += len(c.File.Bytes); l.bytes > maxBytes {
		return fmt.Errorf("the other Dockerfiles have more than %d MiB", maxBytes>>20)
	}
	l.opt.Origins[c.File] = u.origin
	f, list := parser.Parse(c.File)
	if err := list.Err(); err != nil {
		return list[0]
	}
	gate, d := dialect.Parse(f)
	if d != nil {
		return d
	}
	if gate != nil {
		opt := l.opt
		opt.Gate = gate
		var err error
		if f, err = Resolve(ctx, f, opt); err != nil {
			return err
		}
		u.file.Rules = gate.Options
	}
	u.file.Rules = u.file.Rules.Merge(l.opt.Caller)
	u.file.Dockerfile, list = instructions.ParseGated(f, gate)
	switch err := list.Err(); {
	case err != nil:
		return list[0]
	case len(u.file.Dockerfile.Stages) == 0:
		return fmt.Errorf("%s contains no stages", u.file.Name)
	}
	u.file.Dockerfile.Others = l.refs
	return nil
}

// check replaces references that close a cycle of files, or whose chain is too long, with
// errors. The parameter chain contains the files that lead to u.
func (l *loader) check(u *other, chain []string) {
	chain = append(chain, u.file.Name)
	u.open, u.height = true, 1
	for _, use := range u.uses {
		at := use.word.Text.Range()
		if use.to.open {
			i := slices.Index(chain, use.to.file.Name)
			l.refs[use.ref] = &instructions.OtherFile{Name: use.to.file.Name, Err: diag.Errorf(at, "%s uses itself: %s -> %s",
				use.to.file.Name, strings.Join(chain[i:], " -> "), use.to.file.Name)}
			continue
		}
		if use.to.height == 0 {
			l.check(use.to, chain)
		}
		if u.height = max(u.height, use.to.height+1); u.height > maxDepth {
			l.refs[use.ref] = &instructions.OtherFile{Name: use.to.file.Name, Err: diag.Errorf(at, "files use each other more than %d deep", maxDepth)}
		}
	}
	u.open = false
}
