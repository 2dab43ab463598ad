package instructions

import (
	"fmt"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// builder converts an instruction to its type. Builders check in upstream's
// order, because only the first error of an instruction is reported.
type builder func(*parser.Instruction) (Command, *diag.Diagnostic)

// keywords lists the supported instructions. If several are equally similar to
// a misspelled keyword, the first is suggested.
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

// maxFaults is the maximum number of errors reported for a file.
const maxFaults = 100

// Parse converts all instructions of a file to their types.
//
//	file = { arg } { stage } .
//	stage = from { instruction } .
//
// The first error is the one that upstream reports. Errors of later
// instructions follow in file order, up to maxFaults. The result omits invalid
// instructions, and the whole stage of an invalid FROM. Lines that an earlier
// error already explains, such as the lines after CMD <<EOF, cause no errors of
// their own.
//
// Upstream: errors about a single instruction start with its line number,
// errors about stages do not.
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

// Code returns the logical line without surrounding white space, with the
// keyword as written. Step names and descriptions are derived from it.
func Code(c Command) string { return strings.TrimSpace(c.Syntax().Line.String()) }

// ParseOne converts one instruction to its type. Its errors lack the line
// number that Parse prepends, as the errors of ONBUILD triggers do upstream.
func ParseOne(in *parser.Instruction) (Command, *diag.Diagnostic) {
	c, d := build(in)
	if d == nil {
		return c, nil
	}
	if !inside(d.Range, in.Rng) {
		d.Range = in.Rng
	}
	if near := in.NearJSON(); near != nil && d.Hint == "" {
		d.Range = near.Range
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

// find returns the builder for the keyword of an instruction, or nil if it is
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

// numbered prepends the line number to the message of d.
func numbered(d *diag.Diagnostic, in *parser.Instruction) *diag.Diagnostic {
	d.Message = fmt.Sprintf("dockerfile parse error on line %d: %s", in.Rng.Position().Line, d.Message)
	return d
}

// assembly groups instructions into stages.
type assembly struct {
	file     *Dockerfile
	list     diag.List
	stage    *Stage // nil before the first FROM and after an invalid one
	begun    bool   // a FROM was seen
	reported bool   // the error about instructions before FROM is reported
}

// add adds c, the command of in, to the current stage. c is nil if in is
// invalid.
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

// addGlobal adds a command that precedes the first FROM. Only ARG is allowed
// there.
func (a *assembly) addGlobal(in *parser.Instruction, c Command) {
	if arg, ok := c.(*Arg); ok {
		a.file.Args = append(a.file.Args, arg)
		return
	}
	if !a.reported {
		a.list = append(a.list, diag.Errorf(in.Keyword.Range(), "no build stage in current context").In(in.Rng).
			Hinted("only ARG may come before the first FROM"))
	}
	a.reported = true
}
