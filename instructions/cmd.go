package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

// commandLine returns the command of RUN, CMD and ENTRYPOINT. A shell form
// without anything is one empty string for the shell.
func (r *request) commandLine() CommandLine {
	words := r.words()
	if !r.json() {
		if len(words) == 0 {
			words = []parser.Word{{Text: r.in.Rest}}
		}
		return CommandLine{Args: words, Shell: true}
	}
	if words == nil {
		words = []parser.Word{}
	}
	return CommandLine{Args: words}
}

// parseCmd reads CMD COMMAND or CMD ["EXECUTABLE"…].
func parseCmd(r *request) (Command, *diag.Diagnostic) {
	if _, d := r.parseFlags(); d != nil {
		return nil, d
	}
	return &Cmd{Node: Node{r.in}, CommandLine: r.commandLine()}, nil
}

// parseEntrypoint reads ENTRYPOINT COMMAND or ENTRYPOINT ["EXECUTABLE"…]. An
// empty list is none: it resets the entry point.
func parseEntrypoint(r *request) (Command, *diag.Diagnostic) {
	if _, d := r.parseFlags(); d != nil {
		return nil, d
	}
	c := r.commandLine()
	if len(c.Args) == 0 {
		c.Args = nil
	}
	return &Entrypoint{Node: Node{r.in}, CommandLine: c}, nil
}

// parseShell reads SHELL ["EXECUTABLE"…].
func parseShell(r *request) (Command, *diag.Diagnostic) {
	if _, d := r.parseFlags(); d != nil {
		return nil, d
	}
	words := r.words()
	switch {
	case len(words) == 0:
		return nil, r.atLeastOne()
	case !r.json():
		return nil, diag.Errorf(r.in.Rest.Range(), "SHELL requires the arguments to be in JSON form")
	}
	sh := &Shell{Node: Node{r.in}}
	for _, w := range words {
		sh.Shell = append(sh.Shell, w.Value)
	}
	return sh, nil
}
