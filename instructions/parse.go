package instructions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/source"
)

// builders makes the command of each keyword.
var builders = map[string]func(*request) (Command, *diag.Diagnostic){
	"ADD":         parseAdd,
	"ARG":         parseArg,
	"CMD":         parseCmd,
	"COPY":        parseCopy,
	"ENTRYPOINT":  parseEntrypoint,
	"ENV":         parseEnv,
	"EXPOSE":      parseExpose,
	"FROM":        parseFrom,
	"HEALTHCHECK": parseHealthcheck,
	"LABEL":       parseLabel,
	"MAINTAINER":  parseMaintainer,
	"ONBUILD":     parseOnbuild,
	"RUN":         parseRun,
	"SHELL":       parseShell,
	"STOPSIGNAL":  parseStopSignal,
	"USER":        parseUser,
	"VOLUME":      parseVolume,
	"WORKDIR":     parseWorkdir,
}

// request is an instruction on its way to a command.
type request struct {
	in       *parser.Instruction
	keyword  string // in upper case
	heredocs []parser.Heredoc
}

// words returns the arguments as a list, whatever their form.
func (r *request) words() []parser.Word {
	switch a := r.in.Args.(type) {
	case *parser.Raw:
		return []parser.Word{a.Word}
	case *parser.Words:
		return a.Words
	case *parser.JSON:
		return a.Words
	}
	return nil
}

func (r *request) json() bool {
	_, ok := r.in.Args.(*parser.JSON)
	return ok
}

// errorf returns an error about the whole instruction; its first line is what
// the caret shows.
func (r *request) errorf(format string, args ...any) *diag.Diagnostic {
	return diag.Errorf(r.in.Line.Range(), format, args...)
}

// Parse types the instructions of a file. It goes on behind a fault, so that
// the list may hold several; its first error is what upstream reports.
func Parse(f *parser.File) (*Dockerfile, diag.List) {
	d := &Dockerfile{File: f}
	var faults diag.List
	for _, in := range f.Instructions() {
		c, fault := ParseOne(in)
		if fault == nil {
			fault = d.add(c)
		} else {
			line, _ := in.Rng.Lines()
			fault.Message = fmt.Sprintf("dockerfile parse error on line %d: %s", line, fault.Message)
		}
		if fault != nil {
			faults = append(faults, fault.In(in.Rng))
		}
	}
	if len(faults) == 0 && len(d.Stages) == 0 {
		faults = append(faults, diag.Errorf(source.Range{}, "dockerfile contains no stages to build"))
	}
	return d, faults
}

// add puts a command into its stage.
func (d *Dockerfile) add(c Command) *diag.Diagnostic {
	switch c := c.(type) {
	case *From:
		name := strings.ToLower(c.Name.Value)
		d.Stages = append(d.Stages, &Stage{From: c, Name: name, Doc: docComment(c.In, name)})
		return nil
	case *Arg:
		if len(d.Stages) == 0 {
			d.Args = append(d.Args, c)
			return nil
		}
	}
	if len(d.Stages) == 0 {
		return diag.Errorf(c.Syntax().Keyword.Range(), "no build stage in current context")
	}
	st := d.Stages[len(d.Stages)-1]
	st.Commands = append(st.Commands, c)
	return nil
}

// ParseOne types one instruction, such as an ONBUILD trigger.
func ParseOne(in *parser.Instruction) (Command, *diag.Diagnostic) {
	return parseOne(in, in.Heredocs)
}

func parseOne(in *parser.Instruction, heredocs []parser.Heredoc) (Command, *diag.Diagnostic) {
	r := &request{in: in, keyword: strings.ToUpper(in.Keyword.String()), heredocs: heredocs}
	build, ok := builders[r.keyword]
	if !ok {
		written := in.Keyword.String()
		names := slices.Sorted(maps.Keys(builders))
		return nil, diag.Errorf(in.Keyword.Range(), "unknown instruction: %s%s", written, suggest.Hint(written, names, false)).In(in.Rng)
	}
	c, d := build(r)
	if d != nil {
		return nil, d.In(in.Rng)
	}
	return c, nil
}

// Code returns the logical line without surrounding white space, keyword as
// written: what progress names and descriptions start from.
func Code(c Command) string { return strings.TrimSpace(c.Syntax().Line.String()) }
