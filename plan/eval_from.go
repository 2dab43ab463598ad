package plan

import (
	"context"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// earlyWord expands a word with the variables that are set before the first FROM.
func (b *builder) earlyWord(w parser.Word) (string, *diag.Diagnostic) {
	res, d := b.word(b.current.expand, w, b.current.Globals)
	return res.Value, d
}

// expandSource expands the variables in --from of COPY, or in from= of a mount, in a file with a
// gate. In a plain Dockerfile, it returns the word unchanged.
func (b *builder) expandSource(st *Stage, c instructions.Command, w parser.Word) (parser.Word, *diag.Diagnostic) {
	if !b.isGated() || !b.ownFile(w.Text.File()) || !strings.Contains(w.Value, "$") {
		return w, nil
	}
	res, d := b.word(b.current.expand, w, b.current.Globals)
	if d != nil {
		return w, d
	}
	for _, u := range res.Unmatched {
		at := useRange(w, u.Offset, u.End)
		if line := setInStage(st, c, u.Name); line > 0 {
			return w, diag.Errorf(at, "--from knows only what is set before the first FROM, and %s is set in line %d: move it there, or define a stage with FROM", u.Name, line)
		}
		if res.Value == "" {
			return w, diag.Errorf(at, "--from is empty: %s has no value%s", u.Name, didYouMean(u.Name, b.current.Globals.Keys()))
		}
	}
	if res.Value == "" {
		return w, diag.Errorf(w.Text.Range(), "--from is empty: %s has no value", w.Value)
	}
	b.lowering(c.Syntax()).editWord(w.Text.Range(), literal(res.Value, false, b.Dockerfile.File.Escape))
	w.Value = res.Value
	return w, nil
}

// useRange returns the range of a part of the word w, or of the whole word if quotes or escapes
// hide the position.
func useRange(w parser.Word, start, end int) source.Range {
	if w.Value == w.Text.String() && end <= w.Text.Len() {
		return w.Text.Slice(start, end).Range()
	}
	return w.Text.Range()
}

// setInStage returns the line of the last instruction before c in the stage st that sets the
// variable name, or 0.
func setInStage(st *Stage, c instructions.Command, name string) int {
	line := 0
	for _, other := range st.Syntax.Commands {
		if other == c {
			break
		}
		set := false
		switch o := other.(type) {
		case *instructions.Arg:
			for i := range o.Args {
				set = set || o.Args[i].Key == name
			}
		case *instructions.Env:
			for _, p := range o.Pairs {
				set = set || p.Key.Value == name
			}
		default: // sets no variable
		}
		if set {
			line = other.Syntax().Rng.Position().Line
		}
	}
	return line
}

// mountSource resolves from= of a mount to a stage. Without it, the result is the empty image.
func (b *builder) mountSource(ctx context.Context, st *Stage, c instructions.Command, m instructions.Mount) (*Stage, error) {
	w := parser.Word{Value: scratch}
	if m.From != "" {
		w = parser.Word{Value: m.From, Text: m.FromAt.Text()}
		if other, err := b.otherStage(ctx, c, w); other != nil || err != nil {
			return other, err
		}
		var d *diag.Diagnostic
		if w, d = b.expandSource(st, c, w); d != nil {
			return nil, d
		}
	}
	if src := b.stageNamed(w.Value); src != nil {
		b.refer(c, w, src)
		return src, nil
	}
	// Upstream: images of mounts have no range in the file.
	return implicitStage(w.Value, source.Range{}), nil
}
