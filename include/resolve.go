package include

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

const (
	maxDepth = 32       // the maximum number of INCLUDEs between the Dockerfile and an included file
	maxFiles = 1000     // the maximum number of included files
	maxBytes = 16 << 20 // the maximum size of all included files together
)

// Reader reads files of the sources of a build. Safe for concurrent use.
type Reader interface {
	// Files reads files of a source: the source of the Dockerfile if from is "", the main context
	// if it is "context", otherwise the named context from. The result has one element for each
	// path. The second result is an error about the source as a whole.
	Files(ctx context.Context, from string, paths []string) ([]Content, error)
	// Names lists the names of the files in a directory of a source, for suggestions.
	Names(ctx context.Context, from, dir string) []string
}

// Content is a file that a [Reader] has read. If it could not be read, Err is set.
type Content struct {
	File    *source.File
	Missing bool // whether the file does not exist
	Err     error
}

// Options configures [Resolve] and [Others].
type Options struct {
	Gate      *dialect.Gate
	Caller    dialect.Options // options of the caller, which replace those of gates
	BuildArgs map[string]string
	Reader    Reader
	Origins   map[*source.File]Origin // Resolve adds the origins of all files; may be nil
}

// Origin is the location of a file: a source, as for [Reader], and a path.
type Origin struct{ From, Path string }

// String returns the file as a reference without a stage.
func (o Origin) String() string {
	if o.From != "" {
		return o.From + ":./" + o.Path
	}
	return "./" + o.Path
}

// Resolve returns the file root with all INCLUDE instructions replaced. If root contains none,
// it returns root itself, and reads no file. An error about a file is a *diag.Diagnostic.
func Resolve(ctx context.Context, root *parser.File, opt Options) (*parser.File, error) {
	if opt.Origins == nil {
		opt.Origins = map[*source.File]Origin{}
	}
	r := &resolver{opt: opt, loaded: map[Origin]*source.File{}}
	top := &unit{file: root, path: root.Source.Name}
	if o, known := opt.Origins[root.Source]; known {
		top.from, top.path = o.From, o.Path
	} else {
		opt.Origins[root.Source] = top.key()
	}
	if d := r.list(top); d != nil {
		return nil, d
	}
	for {
		pending, d := r.walk(top)
		if d != nil {
			return nil, d
		}
		if len(pending) == 0 {
			break
		}
		if err := r.load(ctx, pending); err != nil {
			return nil, err
		}
	}
	if r.files == 0 && !r.hasIncludes(top) {
		return root, nil
	}
	out := &parser.File{Source: root.Source, Escape: root.Escape, Included: r.parsed}
	r.join(top, out)
	return out, r.checkStages(top)
}

// resolver holds the state of one call of [Resolve].
type resolver struct {
	opt    Options
	loaded map[Origin]*source.File
	parsed []*parser.File // one for each included file, in the order of reading
	files  int
	bytes  int
}

// unit is one occurrence of a file in the result: the Dockerfile, or a path of an INCLUDE.
type unit struct {
	from  string // as for Reader.Files
	path  string // relative to the root of the source
	at    source.Range
	by    *item // the INCLUDE; nil for the Dockerfile
	in    *unit // the file with the INCLUDE; nil for the Dockerfile
	depth int
	file  *parser.File // nil until read
	items []*item
}

// item is a node of a file. If it is an INCLUDE, the other fields describe it.
type item struct {
	node    parser.Node
	include *instructions.Include
	decided bool    // whether units is final: the condition and the paths are known
	units   []*unit // one for each path; empty if the condition is false
}

// key returns the identity of the file.
func (u *unit) key() Origin { return Origin{u.from, u.path} }

// name returns the name of the file for messages.
func (u *unit) name() string {
	if u.from != "" {
		return u.from + ":" + u.path
	}
	return u.path
}

// list creates the items of a file that has been read.
func (r *resolver) list(u *unit) *diag.Diagnostic {
	for _, n := range u.file.Nodes {
		it := &item{node: n, decided: true}
		in, ok := n.(*parser.Instruction)
		if ok && strings.EqualFold(in.Keyword.String(), "include") {
			c, d := instructions.ParseOneGated(in, r.opt.Gate)
			if d != nil {
				return d
			}
			it.include, it.decided = c.(*instructions.Include), false //nolint:forcetypeassert // its keyword is INCLUDE
		}
		u.items = append(u.items, it)
	}
	return nil
}

// hasIncludes reports whether a file contains an INCLUDE.
func (*resolver) hasIncludes(u *unit) bool {
	return slices.ContainsFunc(u.items, func(it *item) bool { return it.include != nil })
}

// resolvePath returns the source and the path of a file that an INCLUDE in the unit u names.
func (u *unit) resolvePath(c *instructions.Include, w parser.Word, value string) (Origin, *diag.Diagnostic) {
	at := w.Text.Range()
	key := Origin{u.from, ""}
	switch {
	case c.From.Value != "":
		key.From = c.From.Value
		key.Path = path.Clean(strings.TrimLeft(value, "/"))
	case strings.HasPrefix(value, "/"):
		return key, diag.Errorf(at, "%s is not relative to the directory of %s", value, u.name())
	default:
		key.Path = path.Join(path.Dir(u.path), value)
	}
	switch {
	case value == "" || key.Path == ".":
		return key, diag.Errorf(at, "INCLUDE needs the path of a file")
	case key.Path != ".." && !strings.HasPrefix(key.Path, "../"):
		return key, nil
	case key.From == "":
		return key, diag.Errorf(at, "%s is above the directory of the Dockerfile, which is all that the client sends: INCLUDE --from=context %s", value, path.Base(value))
	}
	return key, diag.Errorf(at, "%s is above the root of %s", value, key.From)
}

// newUnit returns the unit for a path of an INCLUDE.
func (r *resolver) newUnit(u *unit, it *item, w parser.Word, value string) (*unit, *diag.Diagnostic) {
	key, d := u.resolvePath(it.include, w, value)
	if d != nil {
		return nil, d
	}
	n := &unit{from: key.From, path: key.Path, at: w.Text.Range(), by: it, in: u, depth: u.depth + 1}
	chain := []string{n.name()}
	for p := u; p != nil; p = p.in {
		chain = append(chain, p.name())
		if p.key() == key {
			slices.Reverse(chain)
			return nil, diag.Errorf(n.at, "%s includes itself: %s", n.name(), strings.Join(chain, " -> "))
		}
	}
	switch r.files++; {
	case n.depth > maxDepth:
		return nil, diag.Errorf(n.at, "files include each other more than %d deep", maxDepth)
	case r.files > maxFiles:
		return nil, diag.Errorf(n.at, "more than %d files are included", maxFiles)
	}
	return n, nil
}

// load reads the files of the units.
func (r *resolver) load(ctx context.Context, pending []*unit) error {
	bySource := map[string][]*unit{}
	for _, u := range pending {
		bySource[u.from] = append(bySource[u.from], u)
	}
	for _, from := range slices.Sorted(maps.Keys(bySource)) {
		if err := r.loadFrom(ctx, from, bySource[from]); err != nil {
			return err
		}
	}
	for _, u := range pending {
		if d := r.parse(u); d != nil {
			return d
		}
	}
	return nil
}

// loadFrom reads the files of units from one source, each file once.
func (r *resolver) loadFrom(ctx context.Context, from string, units []*unit) error {
	var paths []string
	for _, u := range units {
		if r.loaded[u.key()] == nil && !slices.Contains(paths, u.path) {
			paths = append(paths, u.path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	contents, err := r.opt.Reader.Files(ctx, from, paths)
	if err != nil {
		return diag.Errorf(units[0].at, "cannot include %s: %w", units[0].name(), err).In(units[0].instruction())
	}
	for _, u := range units {
		i := slices.Index(paths, u.path)
		if i < 0 {
			continue
		}
		c := contents[i]
		if c.Missing || c.Err != nil {
			return r.missing(ctx, u, c)
		}
		if r.loaded[u.key()] == nil {
			r.loaded[u.key()] = c.File
			r.bytes += len(c.File.Bytes)
		}
		if r.bytes > maxBytes {
			return diag.Errorf(u.at, "the included files have more than %d MiB", maxBytes>>20).In(u.instruction())
		}
	}
	return nil
}

// instruction returns the range of the INCLUDE.
func (u *unit) instruction() source.Range { return u.by.include.In.Rng }

// missing returns the error for a file that cannot be read, with the names of similar files.
func (r *resolver) missing(ctx context.Context, u *unit, c Content) error {
	if !c.Missing {
		return diag.Errorf(u.at, "cannot include %s: %w", u.name(), c.Err).In(u.instruction())
	}
	hint := suggestFile(r.opt.Reader.Names(ctx, u.from, path.Dir(u.path)), u.path)
	if hint == "" && strings.ContainsAny(u.path, "*?[") {
		hint = " (INCLUDE has no wildcards, write the path of each file)"
	}
	return diag.Errorf(u.at, "cannot include %s: no such file%s", u.name(), hint).In(u.instruction())
}

// parse parses a file that has been read.
func (r *resolver) parse(u *unit) *diag.Diagnostic {
	src := r.loaded[u.key()]
	if slices.Contains(src.Bytes, 0) {
		return diag.Errorf(u.at, "%s is not a Dockerfile: it contains NUL bytes", u.name()).In(u.instruction())
	}
	f, list := parser.Parse(src)
	if len(list) > 0 && list.Err() != nil {
		return list[0]
	}
	gate, d := dialect.Parse(f)
	if d != nil {
		return d
	}
	if gate != nil {
		switch {
		case r.opt.Gate.Level.Less(gate.Level):
			return diag.Errorf(gate.Range, "%s says # slipway=%s, and the file that includes it says %s", u.name(), gate.Level, r.opt.Gate.Level).Note(r.opt.Gate.Range, "this level is too low")
		case !gate.Options.IsZero():
			return diag.Errorf(gate.Range, "options of an included file have no effect: write them in the Dockerfile")
		}
	}
	u.file = f
	r.opt.Origins[src] = u.key()
	if !slices.ContainsFunc(r.parsed, func(p *parser.File) bool { return p.Source == src }) {
		r.parsed = append(r.parsed, f)
	}
	return r.list(u)
}

// join appends the nodes of a unit to the file out. Nodes of included files replace INCLUDEs.
func (r *resolver) join(u *unit, out *parser.File) {
	for _, it := range u.items {
		if it.include == nil {
			out.Nodes = append(out.Nodes, it.node)
		}
		for _, sub := range it.units {
			r.join(sub, out)
		}
	}
}
