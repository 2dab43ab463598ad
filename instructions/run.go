package instructions

import (
	"slipway/diag"
	"slipway/parser"
)

var runFlags = []flag{
	{"device", textList},
	{"mount", textList},
	{"network", text},
	{"security", text},
}

// parseRun reads RUN [flags] COMMAND or RUN [flags] ["EXECUTABLE"…].
func parseRun(r *request) (Command, *diag.Diagnostic) {
	values, d := r.parseFlags(runFlags...)
	if d != nil {
		return nil, d
	}
	run := &Run{
		Node:        Node{r.in},
		CommandLine: r.commandLine(),
		Heredocs:    r.heredocs,
		Network:     values.value("network", "default"),
		Security:    values.value("security", "sandbox"),
	}
	for _, f := range values["device"] {
		dev, d := parseDevice(f)
		if d != nil {
			return nil, d
		}
		run.Devices = append(run.Devices, dev)
	}
	for _, f := range values["mount"] {
		m, d := parseMount(f)
		if d != nil {
			return nil, d
		}
		run.Mounts = append(run.Mounts, m)
	}
	switch run.Network {
	case "default", "none", "host":
	default:
		return nil, invalid(values["network"], "invalid network mode %q", run.Network)
	}
	switch run.Security {
	case "sandbox", "insecure":
	default:
		return nil, invalid(values["security"], "security %q is not valid", run.Security)
	}
	return run, nil
}

func invalid(given []*parser.Flag, format, value string) *diag.Diagnostic {
	return diag.Errorf(given[0].ValueAt, format, value)
}
