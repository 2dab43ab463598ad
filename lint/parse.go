package lint

import (
	"bytes"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// maxFaults is the maximum number of errors in the grammar of a file after which the rest of
// the file is still checked.
const maxFaults = 50

// parseTolerant parses a file even if BuildKit's grammar rejects it. It replaces the lines of
// each error by comments of the same length and parses again. The ranges of the result refer to
// the file src.
func parseTolerant(src *source.File) (*parser.File, diag.List) {
	f, list := parser.Parse(src)
	if f != nil {
		return f, nil
	}
	text := bytes.Clone(src.Bytes)
	var errs diag.List
	for range maxFaults {
		d := list[0]
		errs = append(errs, rebased(d, src))
		if !blankLines(text, d) {
			break
		}
		masked := source.NewFile(src.Name, bytes.Clone(text))
		if f, list = parser.Parse(masked); f != nil {
			return f, errs
		}
		if strings.HasPrefix(list[0].Message, "file with no instructions") {
			break
		}
	}
	return nil, errs
}

// blankLines replaces the lines of an error by comments. It returns false if they are comments
// already.
func blankLines(text []byte, d *diag.Diagnostic) bool {
	r := d.Shown()
	start, end := r.Start, min(r.End, len(text))
	changed := false
	first := true
	for i := start; i < end; i++ {
		switch {
		case text[i] == '\n' || text[i] == '\r':
			first = text[i] == '\n'
			continue
		case first:
			changed = changed || text[i] != '#'
			text[i] = '#'
		default:
			text[i] = ' '
		}
		first = false
	}
	return changed
}

// rebased returns a copy of a diagnostic with the same offsets in the file f.
func rebased(d *diag.Diagnostic, f *source.File) *diag.Diagnostic {
	move := func(r source.Range) source.Range {
		if !r.IsZero() && r.File.Name == f.Name && len(r.File.Bytes) == len(f.Bytes) {
			r.File = f
		}
		return r
	}
	c := *d
	c.Range, c.Context = move(d.Range), move(d.Context)
	c.Related = append([]diag.Related(nil), d.Related...)
	for i := range c.Related {
		c.Related[i].Range, c.Related[i].Context = move(c.Related[i].Range), move(c.Related[i].Context)
	}
	c.Fixes = append([]diag.Fix(nil), d.Fixes...)
	for i := range c.Fixes {
		c.Fixes[i].Edits = append([]diag.Edit(nil), c.Fixes[i].Edits...)
		for j := range c.Fixes[i].Edits {
			c.Fixes[i].Edits[j].Range = move(c.Fixes[i].Edits[j].Range)
		}
	}
	return &c
}

// typed converts the instructions of a file. Instructions before the first FROM become a stage
// of their own, so that rules see them.
func typed(f *parser.File, gate *dialect.Gate) (*instructions.Dockerfile, diag.List) {
	d, errs := instructions.ParseGated(f, gate)
	if st := orphans(f, gate); st != nil {
		d.Stages = append([]*instructions.Stage{st}, d.Stages...)
	}
	return d, errs
}

// orphans returns a stage with the instructions before the first FROM, or nil if all of them may
// precede it.
func orphans(f *parser.File, gate *dialect.Gate) *instructions.Stage {
	var list []instructions.Command
	found := false
	for _, in := range f.Instructions() {
		if strings.EqualFold(in.Keyword.String(), "from") {
			break
		}
		c, _ := instructions.ParseOneGated(in, gate)
		if c == nil {
			continue
		}
		found = found || !isGlobal(c)
		list = append(list, c)
	}
	if !found {
		return nil
	}
	at := source.Range{File: f.Source, Start: list[0].Syntax().Rng.Start, End: list[0].Syntax().Rng.Start}
	in := &parser.Instruction{Rng: at, Line: at.Text(), Keyword: at.Text(), Rest: at.Text()}
	from := &instructions.From{Node: instructions.Node{In: in}}
	from.Base = parser.Word{Value: unknownBase, Text: at.Text()}
	return &instructions.Stage{From: from, Commands: list}
}

// unknownBase is the base of the stage that holds the instructions before the first FROM.
const unknownBase = "unknown"
