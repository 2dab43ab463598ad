package instructions

import (
	"slices"

	"slipway/diag"
	"slipway/parser"
)

// runFlags lists the flags of RUN.
var runFlags = []flagSpec{
	{"device", listFlag},
	{"mount", listFlag},
	{"network", stringFlag},
	{"security", stringFlag},
}

var (
	networks   = []string{"default", "none", "host"} // the first is the default
	securities = []string{"sandbox", "insecure"}
)

// buildRun parses a RUN instruction.
//
//	run = "RUN" { flag } command { body } .
//
// Upstream: a RUN without arguments has an empty command.
func buildRun(in *parser.Instruction) (Command, *diag.Diagnostic) { return buildRunWith(in, false) }

// buildRunWith parses a RUN instruction. The parameter variables is true if the field from= of
// a mount may contain variables.
func buildRunWith(in *parser.Instruction, variables bool) (Command, *diag.Diagnostic) {
	set, d := parseFlags(in, runFlags)
	if d != nil {
		return nil, d
	}
	run := &Run{
		Node: Node{In: in}, CommandLine: commandLine(in), Heredocs: in.Heredocs,
		Network: networks[0], Security: securities[0],
	}
	for _, f := range set["device"] {
		v, d := parseDevice(f)
		if d != nil {
			return nil, d
		}
		run.Devices = append(run.Devices, v)
	}
	for _, f := range set["mount"] {
		m, d := parseMount(f, variables)
		if d != nil {
			return nil, run.HintMount(d)
		}
		run.Mounts = append(run.Mounts, m)
	}
	for _, f := range set["network"] {
		if run.Network = f.Value; !slices.Contains(networks, f.Value) {
			return nil, diag.Errorf(f.ValueRange, "invalid network mode %q", f.Value).Hinted("want default, none or host")
		}
	}
	for _, f := range set["security"] {
		if run.Security = f.Value; !slices.Contains(securities, f.Value) {
			return nil, diag.Errorf(f.ValueRange, "security %q is not valid", f.Value).Hinted("want sandbox or insecure")
		}
	}
	return run, nil
}
