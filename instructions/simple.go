package instructions

import (
	"cmp"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// oneArgument returns the argument of an instruction that takes exactly one argument and
// no flags.
func oneArgument(in *parser.Instruction, name string) (parser.Word, *diag.Diagnostic) {
	args := words(in.Args)
	if len(args) != 1 {
		return parser.Word{}, errExactlyOne(in, name)
	}
	_, d := parseFlags(in, nil)
	return args[0], d
}

// atLeastOneArgument returns the arguments of an instruction that takes at least one
// argument and no flags.
func atLeastOneArgument(in *parser.Instruction, name string) ([]parser.Word, *diag.Diagnostic) {
	args := words(in.Args)
	if len(args) == 0 {
		return nil, errAtLeastOne(in, name)
	}
	_, d := parseFlags(in, nil)
	return args, d
}

// buildMaintainer parses a MAINTAINER instruction.
//
//	maintainer = "MAINTAINER" text .
func buildMaintainer(in *parser.Instruction) (Command, *diag.Diagnostic) {
	w, d := oneArgument(in, "MAINTAINER")
	if d != nil {
		return nil, d
	}
	return &Maintainer{Node: Node{In: in}, Author: w}, nil
}

// buildWorkdir parses a WORKDIR instruction.
//
//	workdir = "WORKDIR" text .
func buildWorkdir(in *parser.Instruction) (Command, *diag.Diagnostic) {
	w, d := oneArgument(in, "WORKDIR")
	if d != nil {
		return nil, d
	}
	return &Workdir{Node: Node{In: in}, Path: w}, nil
}

// buildUser parses a USER instruction.
//
//	user = "USER" text .
func buildUser(in *parser.Instruction) (Command, *diag.Diagnostic) {
	w, d := oneArgument(in, "USER")
	if d != nil {
		return nil, d
	}
	return &User{Node: Node{In: in}, User: w}, nil
}

// buildStopSignal parses a STOPSIGNAL instruction.
//
//	stopsignal = "STOPSIGNAL" text .
//
// Upstream: flags are ignored, not rejected.
func buildStopSignal(in *parser.Instruction) (Command, *diag.Diagnostic) {
	args := words(in.Args)
	if len(args) != 1 {
		return nil, errExactlyOne(in, "STOPSIGNAL")
	}
	return &StopSignal{Node: Node{In: in}, Signal: args[0]}, nil
}

// buildExpose parses an EXPOSE instruction.
//
//	expose = "EXPOSE" port { port } .
//
// Upstream: ports are sorted as written, before variables are expanded.
func buildExpose(in *parser.Instruction) (Command, *diag.Diagnostic) {
	ports, d := atLeastOneArgument(in, "EXPOSE")
	if d != nil {
		return nil, d
	}
	ports = slices.Clone(ports)
	slices.SortStableFunc(ports, func(a, b parser.Word) int { return cmp.Compare(a.Value, b.Value) })
	return &Expose{Node: Node{In: in}, Ports: ports}, nil
}

// buildVolume parses a VOLUME instruction.
//
//	volume = "VOLUME" ( path { path } | "[" string { "," string } "]" ) .
func buildVolume(in *parser.Instruction) (Command, *diag.Diagnostic) {
	paths, d := atLeastOneArgument(in, "VOLUME")
	if d != nil {
		return nil, d
	}
	c := &Volume{Node: Node{In: in}}
	for _, w := range paths {
		w.Value = strings.TrimSpace(w.Value)
		if w.Value == "" {
			return nil, diag.Errorf(w.Text.Range(), "VOLUME specified can not be an empty string")
		}
		c.Paths = append(c.Paths, w)
	}
	return c, nil
}
