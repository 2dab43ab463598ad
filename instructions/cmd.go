package instructions

import (
	"strings"

	"slipway/diag"
	"slipway/parser"
)

// commandLine returns the command line of RUN, CMD or ENTRYPOINT. Without arguments, Args
// is empty but not nil.
//
//	command = exec | text | .
//	exec = "[" [ string { "," string } ] "]" .
func commandLine(in *parser.Instruction) CommandLine {
	args := words(in.Args)
	if args == nil {
		args = []parser.Word{}
	}
	return CommandLine{Args: args, Shell: !isJSON(in.Args)}
}

// isJSON reports whether the arguments a are a JSON array, the exec form of a command.
func isJSON(a parser.Args) bool {
	_, ok := a.(*parser.JSON)
	return ok
}

// buildCmd parses a CMD instruction.
//
//	cmd = "CMD" command .
func buildCmd(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	return &Cmd{Node: Node{In: in}, CommandLine: commandLine(in)}, nil
}

// buildEntrypoint parses an ENTRYPOINT instruction.
//
//	entrypoint = "ENTRYPOINT" command .
//
// Upstream: an empty argument list becomes nil, which is null in the image config. For
// CMD, it stays an empty list.
func buildEntrypoint(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	line := commandLine(in)
	if len(line.Args) == 0 {
		line.Args = nil
	}
	return &Entrypoint{Node: Node{In: in}, CommandLine: line}, nil
}

// buildShell parses a SHELL instruction.
//
//	shell = "SHELL" exec .
func buildShell(in *parser.Instruction) (Command, *diag.Diagnostic) {
	if _, d := parseFlags(in, nil); d != nil {
		return nil, d
	}
	args := words(in.Args)
	if len(args) == 0 {
		return nil, errAtLeastOne(in, "SHELL")
	}
	if !isJSON(in.Args) {
		d := diag.Errorf(argsRange(in), "SHELL requires the arguments to be in JSON form")
		if word := firstWord(in).String(); !strings.ContainsAny(word, `["'\`) {
			d.Hinted("an array of strings, such as SHELL [%q, %q]", word, "-c")
		}
		return nil, d
	}
	return &Shell{Node: Node{In: in}, Shell: values(args)}, nil
}

// values returns the field Value of each word in the list.
func values(list []parser.Word) []string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = w.Value
	}
	return out
}
