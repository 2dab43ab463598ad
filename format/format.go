package format

import (
	"slipway/diag"
	"slipway/parser"
	"slipway/source"
)

// maxAttempts is the maximum number of times that Format prints a file. After each attempt, the
// nodes whose meaning would change stay as they are.
const maxAttempts = 8

// Layout is the layout of a file.
type Layout struct {
	Edits []diag.Edit  // in ascending order; they do not overlap
	File  *parser.File // the file after the edits
}

// Format returns the edits that lay out the file, as [New] does.
func Format(f *parser.File, opt Options) ([]diag.Edit, error) {
	l, err := New(f, opt)
	return l.Edits, err
}

// New lays out a file.
//
// An error is a bug of this package: the layout would have changed an instruction. New then
// returns the layout of all other instructions together with the error, a [diag.List] with a
// diagnostic for each instruction that stays as it is.
func New(f *parser.File, opt Options) (Layout, error) {
	if opt.Indent == "" {
		opt.Indent = defaultIndent
	}
	fixed := &fixedParts{instructions: map[int]bool{}, comments: map[int]bool{}}
	var errs diag.List
	for range maxAttempts {
		p := newPrinter(f, opt, fixed)
		edits := p.print()
		var changes []change
		after := f
		if len(edits) > 0 {
			after, changes = check(p, edits)
		}
		if len(changes) == 0 {
			p.reportRefused()
			return Layout{edits, after}, errs.Err()
		}
		for _, c := range changes {
			if d := fixed.add(f, c); d != nil {
				errs = append(errs, d)
			}
		}
		if fixed.file {
			break
		}
	}
	if !fixed.file {
		errs = append(errs, internalError(source.Range{File: f.Source}, "the file"))
	}
	return Layout{File: f}, errs.Err()
}

// fixedParts lists the parts of a file that stay as they are, because laying them out would
// change their meaning.
type fixedParts struct {
	instructions map[int]bool // by index in the file
	comments     map[int]bool // indentation of comments above an instruction, by its index
	start        bool         // the byte order mark and the empty lines at the start of the file
	file         bool         // the whole file
}

// add adds the part to which the change c belongs. If the change is unexpected, add returns the
// error for it.
func (x *fixedParts) add(f *parser.File, c change) *diag.Diagnostic {
	switch {
	case c.kind == changedComment && !x.comments[c.index]:
		x.comments[c.index] = true
		return nil
	case c.index <= 0 && !x.start:
		x.start = true
		return nil
	case c.index < 0, x.instructions[c.index]:
		x.file = true
		return internalError(source.Range{File: f.Source}, "the file")
	}
	in := f.Instructions()[c.index]
	x.instructions[c.index], x.comments[c.index] = true, true
	return internalError(in.Head(), "this instruction")
}

// internalError returns the error for a part of the file that cannot be laid out.
func internalError(r source.Range, part string) *diag.Diagnostic {
	return diag.Errorf(r, "internal error: the layout would change the meaning of %s (it stays as it is; please report this)", part)
}

// check applies the edits of the printer p. It returns the new file, and what the edits change
// other than the layout: nothing if they are correct.
func check(p *printer, edits []diag.Edit) (after *parser.File, changes []change) {
	text := diag.Apply(p.file.Source, edits)
	after, diags := parser.Parse(source.NewFile(p.file.Source.Name, text))
	if diags.Err() != nil {
		return nil, []change{{index: -1}}
	}
	if changes := compare(p.file, after, p.scripts); len(changes) > 0 {
		return after, changes
	}
	again := newPrinter(after, p.opt, p.fixed).print()
	if len(again) == 0 {
		return after, nil
	}
	return after, []change{{index: instructionAt(after, again[0].Range.Start)}}
}

// reportRefused calls Options.Refused for the scripts that stay as they are.
func (p *printer) reportRefused() {
	if p.opt.Refused == nil {
		return
	}
	for i, in := range p.file.Instructions() {
		if err := p.refused[i]; err != nil {
			p.opt.Refused(in, err)
		}
	}
}

// instructionAt returns the index of the last instruction that starts at or before the offset,
// or -1.
func instructionAt(f *parser.File, offset int) int {
	found := -1
	for i, in := range f.Instructions() {
		if in.Above.Start > offset {
			break
		}
		found = i
	}
	return found
}
