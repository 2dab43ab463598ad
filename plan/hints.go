package plan

import (
	"cmp"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
)

// maxListed is the maximum number of names in a hint.
const maxListed = 10

// joinNames returns the names separated by commas, at most maxListed of them. It returns
// "none" for an empty list.
func joinNames(names []string) string {
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > maxListed:
		return strings.Join(names[:maxListed], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// hintUnset adds a hint to d, an error about a word in FROM, and returns d. The hint
// explains why the first unset variable in the word has no value.
func (s *Scope) hintUnset(d *diag.Diagnostic, unset []shell.Use) *diag.Diagnostic {
	if len(unset) == 0 || d.Hint != "" {
		return d
	}
	name := unset[0].Name
	for _, g := range s.Declarations {
		if g.Decl.Key == name {
			at := g.Decl.Word.Text.Range()
			return d.Hinted("ARG %s in line %d has no value, set one with --build-arg %s=VALUE", name, at.Position().Line, name).
				Note(at, "a value written here is the default")
		}
	}
	for _, st := range s.Dockerfile.Stages {
		for _, c := range st.Commands {
			arg, ok := c.(*instructions.Arg)
			if !ok {
				continue
			}
			for i := range arg.Args {
				if decl := &arg.Args[i]; decl.Key == name {
					at := decl.Word.Text.Range()
					return d.Hinted("ARG %s in line %d belongs to a stage, FROM sees only those above the first FROM", name, at.Position().Line).
						Note(at, "move it above the first FROM, in line %d", s.Dockerfile.Stages[0].From.In.Rng.Position().Line)
				}
			}
		}
	}
	return d.Hinted("no ARG above the first FROM declares %s", name)
}

// HintBase adds a hint to d, an error about the base of the stage st or about an image in
// --from. The hint explains why the name refers to an image instead of a stage. It
// returns d.
func (p *Plan) HintBase(st *Stage, d *diag.Diagnostic) *diag.Diagnostic {
	if d.Hint != "" || d.Range.File == nil || d.Range.File != p.Dockerfile.File.Source && !p.isIncluded(d.Range.File) {
		return d
	}
	if st.Syntax == nil {
		return p.hintSource(st, d)
	}
	for _, f := range p.Froms {
		if f.Syntax == st.Syntax && len(f.Base.Result.Unmatched) > 0 {
			return p.hintUnset(d, f.Base.Result.Unmatched)
		}
	}
	for _, other := range p.Stages {
		if other.Syntax == nil || other.Syntax.Name == "" || !strings.EqualFold(other.Syntax.Name, cmp.Or(st.OriginalBase, st.BaseName)) {
			continue
		}
		at := other.Syntax.From.Name.Text.Range()
		if other.Index >= st.Index {
			return d.Hinted("stage %s in line %d is below, FROM sees only stages above it", other.Syntax.Name, at.Position().Line).
				Note(at, "the stage")
		}
		return d.Hinted("stages have names in lower case, write FROM %s", other.Syntax.Name).Note(at, "the stage")
	}
	return d
}

// hintSource adds a hint to d, an error about an image that --from or a mount names. The
// hint lists the stages and named contexts. hintSource returns d.
func (p *Plan) hintSource(st *Stage, d *diag.Diagnostic) *diag.Diagnostic {
	name := cmp.Or(st.OriginalBase, st.BaseName)
	if strings.ContainsAny(name, "/:@.") {
		return d
	}
	var stages []string
	for _, s := range p.Dockerfile.Stages {
		if s.Name != "" {
			stages = append(stages, s.Name)
		}
	}
	return d.Hinted("no stage and no build context has the name %s; stages: %s; build contexts: %s", name, joinNames(stages), joinNames(p.Options.Contexts))
}

// hintLaterStage adds a hint and a note about the stage st to d, the error about an
// instruction that needs st but precedes it in the file. The hint contains the line
// number of st, and the note points at this line. hintLaterStage returns d.
func hintLaterStage(d *diag.Diagnostic, st *Stage) *diag.Diagnostic {
	if st.Syntax == nil {
		return d
	}
	from := st.Syntax.From
	at := from.Name.Text.Range()
	if at.IsZero() {
		at = from.Base.Text.Range()
	}
	return d.Hinted("the stage is in line %d", at.Position().Line).Note(at, "move this stage up")
}

// hintQuotes adds a hint to d, an error about a source of COPY or ADD, if the sources
// look quoted. The hint explains that quotes do not join words in these instructions. It
// returns d.
func hintQuotes(d *diag.Diagnostic, c *instructions.Copy) *diag.Diagnostic {
	if _, isArray := c.In.Args.(*parser.JSON); isArray {
		return d
	}
	words := append(slices.Clip(c.Sources), c.Dest)
	for i, first := range words {
		for _, quote := range []string{`"`, "'"} {
			if !strings.HasPrefix(first.Value, quote) || strings.HasSuffix(first.Value, quote) {
				continue
			}
			n := slices.IndexFunc(words[i+1:], func(w parser.Word) bool { return strings.HasSuffix(w.Value, quote) })
			if n < 0 {
				continue
			}
			var names []string
			for _, w := range words[i : i+n+2] {
				names = append(names, w.Value)
			}
			d.Range = first.Text.Range().Join(words[i+n+1].Text.Range())
			name := strings.Trim(strings.Join(names, " "), quote)
			return d.Hinted("quotes do not join words, write the instruction as a JSON array: [%q, …]", name)
		}
	}
	return d
}
