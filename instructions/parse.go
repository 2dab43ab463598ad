package instructions

import (
	"fmt"
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/parser"
)

// builder is a function that converts an instruction with a certain keyword to the Go
// type for this keyword, such as *Run. Because only the first error in an instruction is
// reported, builders perform their checks in the same order as upstream.
type builder func(*parser.Instruction) (Command, *diag.Diagnostic)

// keywords lists all instructions. If several keywords are equally similar to a misspelt
// keyword, errors suggest the first of them.
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

// maxErrors is the maximum number of errors that Parse reports for a file.
const maxErrors = 100

// Parse converts all instructions in a file to Go types such as *Run, and groups them
// into stages.
//
//	file = { arg } { stage } .
//	stage = from { instruction } .
//
// The first error is the one that upstream reports. Errors in later instructions follow
// in file order, up to maxErrors. The result omits invalid instructions, and all
// instructions of a stage whose FROM is invalid. One error may explain several invalid
// lines, such as the lines after CMD <<EOF. Parse reports no further errors about these
// lines.
//
// Upstream: an error about a single instruction starts with the line number of the
// instruction, an error about a stage does not.
func Parse(f *parser.File) (*Dockerfile, diag.List) { return ParseGated(f, nil) }

// ParseGated is like [Parse], but also accepts the extensions that the gate allows. If the
// gate is nil, the file is a plain Dockerfile.
func ParseGated(f *parser.File, gate *dialect.Gate) (*Dockerfile, diag.List) {
	a := assembly{file: &Dockerfile{File: f, Gate: gate}}
	s := unknownLines{file: f}
	for _, in := range f.Instructions() {
		c, d := ParseOneGated(in, gate)
		known := findBuilder(in) != nil || gate != nil && isExtension(in)
		if d != nil && len(a.list) < maxErrors && (known || s.explain(d, in)) {
			a.list = append(a.list, withLine(d, in))
		}
		s.previous, s.previousUnknown = in, !known
		a.add(in, c)
	}
	return a.file, a.list
}

// Code returns the logical line of the command c, without surrounding white space. Step
// names and descriptions are derived from it.
func Code(c Command) string { return strings.TrimSpace(c.Syntax().Line.String()) }

// ParseOne converts one instruction to the Go type for its keyword, such as *Run. Its
// errors lack the line number that Parse prepends. Upstream also omits the line number in
// errors about ONBUILD triggers.
func ParseOne(in *parser.Instruction) (Command, *diag.Diagnostic) { return ParseOneGated(in, nil) }

// ParseOneGated is like [ParseOne], but also accepts the extensions that the gate allows.
func ParseOneGated(in *parser.Instruction, gate *dialect.Gate) (c Command, d *diag.Diagnostic) {
	if gate == nil {
		c, d = build(in)
	} else {
		c, d = buildExtended(in, gate)
	}
	if d == nil {
		return c, nil
	}
	if !isInside(d.Range, in.Rng) {
		d.Range = in.Rng
	}
	if near := in.NearJSON(); near != nil && d.Hint == "" {
		d.Range = near.Range
		d.Hinted("not a JSON array: %s", near.Reason)
	}
	return nil, d.In(in.Rng)
}

// build converts an instruction with the builder for its keyword. It returns an error if
// the keyword is unknown.
func build(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if b := findBuilder(in); b != nil {
		return b(in)
	}
	return nil, unknownKeyword(in)
}

// findBuilder returns the builder for the keyword of an instruction, or nil if the
// keyword is unknown.
func findBuilder(in *parser.Instruction) builder {
	keyword := strings.ToLower(in.Keyword.String())
	for _, k := range keywords {
		if k.name == keyword {
			return k.build
		}
	}
	return nil
}

// withLine prepends the line number of the instruction to the message of d.
func withLine(d *diag.Diagnostic, in *parser.Instruction) *diag.Diagnostic {
	d.Message = fmt.Sprintf("dockerfile parse error on line %d: %s", in.Rng.Position().Line, d.Message)
	return d
}

// assembly groups instructions into stages and collects the errors.
type assembly struct {
	file     *Dockerfile
	list     diag.List
	stage    *Stage // nil before the first FROM and after an invalid one
	hasFrom  bool   // whether a FROM, valid or not, precedes the next instruction
	reported bool   // whether an error about an instruction before the first FROM has been reported
}

// add adds the command c to the file: to the current stage, or to a new stage if c is a
// FROM. For an invalid instruction, c is nil.
func (a *assembly) add(in *parser.Instruction, c Command) {
	from, ok := c.(*From)
	switch {
	case ok:
		name := strings.ToLower(from.Name.Value)
		a.stage = &Stage{From: from, Name: name, Doc: describe(in, name)}
		a.file.Stages = append(a.file.Stages, a.stage)
		a.hasFrom = true
	case c == nil:
		if strings.EqualFold(in.Keyword.String(), "from") {
			a.stage, a.hasFrom = nil, true
		}
	case a.stage != nil:
		a.stage.Commands = append(a.stage.Commands, c)
	case !a.hasFrom:
		a.addGlobal(in, c)
	}
}

// addGlobal adds a command before the first FROM. It reports an error unless the command
// is ARG.
func (a *assembly) addGlobal(in *parser.Instruction, c Command) {
	if arg, ok := c.(*Arg); ok {
		a.file.Args = append(a.file.Args, arg)
		return
	}
	if !a.reported {
		allowed := "only ARG"
		if a.file.Gate != nil {
			allowed = "only ARG, LET and INCLUDE"
		}
		a.list = append(a.list, diag.Errorf(in.Keyword.Range(), "no build stage in current context").In(in.Rng).
			Hinted("%s may come before the first FROM", allowed))
	}
	a.reported = true
}
