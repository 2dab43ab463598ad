package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
	"slipway/source"
)

// StageNumber is a number in --from that refers to a stage of the Dockerfile. In the plain
// Dockerfile, the number is higher, because the stages of other Dockerfiles precede.
type StageNumber struct {
	Range  source.Range
	Number int
}

// nameForEject chooses the name that a stage of another Dockerfile has in the plain Dockerfile,
// such as go.dockerfile--build, and records it.
func (b *builder) nameForEject(st *Stage) {
	file, stage, _ := strings.Cut(st.Name, "#")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.ToLower(strings.TrimLeft(strings.Replace(file, ":./", "-", 1), "./")))
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		name = "f-" + name
	}
	name += "--" + stage
	if b.isTaken(name) {
		sum := sha256.Sum256([]byte(st.Name))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	st.PlainName = name
	from := st.Syntax.From
	if at := from.Name.Text.Range(); !at.IsZero() {
		b.lowering(from.In).edit(at, name)
		return
	}
	at := from.Base.Text.Range()
	at.Start = at.End
	b.lowering(from.In).edit(at, " AS "+name)
}

// isTaken reports whether a name already refers to a stage or a named context of the build.
func (b *builder) isTaken(name string) bool {
	for _, st := range b.Dockerfile.Stages {
		if st.Name == name {
			return true
		}
	}
	return slices.Contains(b.opt.Contexts, name) ||
		slices.ContainsFunc(b.Stages, func(st *Stage) bool { return st.PlainName == name })
}

// refer records that the word w of the instruction c refers to st, if the name of this stage
// differs in the plain Dockerfile.
func (b *builder) refer(c instructions.Command, w parser.Word, st *Stage) {
	if st.Scope.isOther() && b.ownFile(w.Text.File()) {
		b.lowering(c.Syntax()).edit(w.Text.Range(), st.PlainName)
	}
}

// referNumber records that --from of the instruction c refers to st by its number.
func (b *builder) referNumber(c *instructions.Copy, st *Stage) {
	at := c.From.Text.Range()
	switch {
	case !b.isGated() && !b.current.isOther() || !b.ownFile(at.File):
	case st.Syntax == nil && len(b.opened) > 0:
		b.lowering(c.In).edit(at, literal(st.BaseName, false, b.Dockerfile.File.Escape))
	case st.Syntax == nil:
	case st.Scope.isOther():
		b.refer(c, c.From, st)
	default:
		l := b.lowering(c.In)
		l.Numbers = append(l.Numbers, StageNumber{at, slices.Index(st.Scope.stages, st)})
	}
}

// referInTrigger records that no plain Dockerfile is equivalent, if a trigger of a stage in
// another Dockerfile refers to stages of that Dockerfile.
func (b *builder) referInTrigger(st *Stage, sources []*Stage) {
	for _, src := range sources {
		if src.Syntax != nil && src.Scope.isOther() {
			b.lowering(st.Syntax.From.In).Native = diag.Errorf(st.Syntax.From.Base.Text.Range(),
				"a trigger of the base refers to %s, which a plain Dockerfile cannot say: move the instruction into the stage", src.Name)
		}
	}
}

// lowerValue records that the plain FROM has the value of a word with variables, because the
// variables of another Dockerfile do not exist in the plain one.
func (b *builder) lowerValue(from *instructions.From, w parser.Word, res shell.Expansion) {
	if b.current.isOther() && len(res.Matched) > 0 && res.Value != "" {
		b.lowering(from.In).editWord(w.Text.Range(), literal(res.Value, false, b.Dockerfile.File.Escape))
	}
}

// lowerInherited records that the plain ARG of another Dockerfile has the value of the variable,
// because no ARG before the first FROM of the plain Dockerfile sets it.
func (b *builder) lowerInherited(arg *instructions.Arg, decl *instructions.ArgDecl, a ArgValue) {
	if !b.current.isOther() || !b.ownFile(decl.Word.Text.File()) || decl.Default != nil && !a.given {
		return
	}
	l, at := b.lowering(arg.In), decl.Word.Text.Range()
	switch _, global := b.Globals.Lookup(a.Key); {
	case a.Set:
		l.oneLine(at, a.Key, a.Value)
		l.edit(at, a.Key+"="+quotedLiteral(a.Value, b.Dockerfile.File.Escape))
	case global:
		l.Native = diag.Errorf(at, "ARG %s has no value, but %s sets a variable of this name before its first FROM: rename one of them", a.Key, b.Dockerfile.File.Source.Name)
	}
}

// lowerConstant records that no plain Dockerfile is equivalent, if a LET of another Dockerfile has
// the name of a build argument, which would replace the value.
func (b *builder) lowerConstant(l *Lowering, at source.Range, name string) {
	if _, given := b.opt.BuildArgs[name]; given && b.current.isOther() {
		l.Native = diag.Errorf(at, "LET %s of %s would become an ARG, which the build argument %s changes: rename one of them", name, b.current.Name, strconv.Quote(name))
	}
}
