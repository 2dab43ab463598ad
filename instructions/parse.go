package instructions

import (
	"fmt"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// builder gives an instruction its type. Checks are in upstream's order, since
// only the first fault of an instruction is reported.
type builder func(*parser.Instruction) (Command, *diag.Diagnostic)

// keywords are the instructions there are. Of several keywords that are equally
// near to a misspelt one, the first is suggested.
var keywords = []struct {
	name  string
	build builder
}{
	{"add", buildAdd},
	{"arg", buildArg},
	{"cmd", buildCmd},
	{"copy", buildCopy},
	{"entrypoint", buildEntrypoint},
	{"env", buildEnv},
	{"expose", buildExpose},
	{"from", buildFrom},
	{"healthcheck", buildHealthcheck},
	{"label", buildLabel},
	{"maintainer", buildMaintainer},
	{"onbuild", buildOnbuild},
	{"run", buildRun},
	{"shell", buildShell},
	{"stopsignal", buildStopSignal},
	{"user", buildUser},
	{"volume", buildVolume},
	{"workdir", buildWorkdir},
}

// maxFaults is how many faults of a file are reported.
const maxFaults = 100

// Parse gives all instructions of a file their types.
//
//	file = { arg } { stage } .
//	stage = from { instruction } .
//
// The first error is the one that upstream reports; faults of later
// instructions follow in file order, up to a number that nobody reads. Instructions with a fault are left out of
// the result, and with a FROM its whole stage. Lines that an earlier error
// explains, such as those after CMD <<EOF, have no error of their own.
//
// Upstream: errors about single instructions start with the line's number,
// those about the stages do not.
func Parse(f *parser.File) (*Dockerfile, diag.List) {
	a := assembly{file: &Dockerfile{File: f}}
	s := stray{file: f}
	for _, in := range f.Instructions() {
		c, d := ParseOne(in)
		known := find(in) != nil
		if d != nil && len(a.list) < maxFaults && (known || s.explain(d, in)) {
			a.list = append(a.list, numbered(d, in))
		}
		s.previous, s.unknown = in, !known
		a.add(in, c)
	}
	return a.file, a.list
}

// Code returns the logical line without surrounding white space, keyword as
// written: what progress names and descriptions start from.
func Code(c Command) string { return strings.TrimSpace(c.Syntax().Line.String()) }

// ParseOne gives one instruction its type. The error's text is without the line
// number that Parse puts in front: triggers of ONBUILD have none.
func ParseOne(in *parser.Instruction) (Command, *diag.Diagnostic) {
	c, d := build(in)
	if d == nil {
		return c, nil
	}
	if !inside(d.Range, in.Rng) {
		d.Range = in.Rng
	}
	if near := in.NearJSON(); near != nil && d.Hint == "" {
		d.Range = near.At
		d.Hinted("not a JSON array: %s", near.Reason)
	}
	return nil, d.In(in.Rng)
}

func build(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if b := find(in); b != nil {
		return b(in)
	}
	return nil, unknown(in)
}

// find returns the builder for the keyword of an instruction; nil if it is
// unknown.
func find(in *parser.Instruction) builder {
	keyword := strings.ToLower(in.Keyword.String())
	for _, k := range keywords {
		if k.name == keyword {
			return k.build
		}
	}
	return nil
}

// numbered adds the line to an error's text.
func numbered(d *diag.Diagnostic, in *parser.Instruction) *diag.Diagnostic {
	d.Message = fmt.Sprintf("dockerfile parse error on line %d: %s", in.Rng.Position().Line, d.Message)
	return d
}

// assembly puts instructions into stages.
type assembly struct {
	file  *Dockerfile
	list  diag.List
	stage *Stage // nil before the first FROM and behind a faulty one
	begun bool   // a FROM was there
	told  bool   // that instructions need a stage
}

// add puts a command where it belongs; nil stands for one with a fault.
func (a *assembly) add(in *parser.Instruction, c Command) {
	from, ok := c.(*From)
	switch {
	case ok:
		name := strings.ToLower(from.Name.Value)
		a.stage = &Stage{From: from, Name: name, Doc: describe(in, name)}
		a.file.Stages = append(a.file.Stages, a.stage)
		a.begun = true
	case c == nil:
		if strings.EqualFold(in.Keyword.String(), "from") {
			a.stage, a.begun = nil, true
		}
	case a.stage != nil:
		a.stage.Commands = append(a.stage.Commands, c)
	case !a.begun:
		a.addGlobal(in, c)
	}
}

// addGlobal puts a command before the first FROM, where only ARG may stand.
func (a *assembly) addGlobal(in *parser.Instruction, c Command) {
	if arg, ok := c.(*Arg); ok {
		a.file.Args = append(a.file.Args, arg)
		return
	}
	if !a.told {
		a.list = append(a.list, diag.Errorf(in.Keyword.Range(), "no build stage in current context").In(in.Rng).
			Hinted("only ARG may come before the first FROM"))
	}
	a.told = true
}
