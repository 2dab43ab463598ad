package instructions

import (
	"strconv"
	"strings"
	"time"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/parser"
)

// healthcheckFlags lists the flags of HEALTHCHECK.
var healthcheckFlags = []flagSpec{
	{"interval", stringFlag},
	{"timeout", stringFlag},
	{"start-period", stringFlag},
	{"start-interval", stringFlag},
	{"retries", stringFlag},
}

// minInterval is the minimum of the durations in HEALTHCHECK flags. The value 0 is also
// valid, and selects the default.
const minInterval = time.Millisecond

// buildHealthcheck parses a HEALTHCHECK instruction.
//
//	healthcheck = "HEALTHCHECK" ( "NONE" | { flag } "CMD" command ) .
//
// Upstream: with NONE, flags are ignored, not rejected.
func buildHealthcheck(in *parser.Instruction) (Command, *diag.Diagnostic) {
	t, ok := in.Args.(*parser.Typed)
	if !ok {
		return nil, errAtLeastOne(in, "HEALTHCHECK")
	}
	c := &Healthcheck{Node: Node{In: in}}
	if strings.ToUpper(t.Type.Value) == "NONE" {
		if args := words(t.Args); len(args) > 0 {
			return nil, diag.Errorf(args[0].Text.Range().Join(args[len(args)-1].Text.Range()), "HEALTHCHECK NONE takes no arguments")
		}
		c.Test = []string{"NONE"}
		return c, nil
	}
	set, d := parseFlags(in, healthcheckFlags)
	if d != nil {
		return nil, d
	}
	if c.Test, d = healthTest(in, t); d != nil {
		return nil, d
	}
	for _, flag := range []struct {
		name string
		to   *time.Duration
	}{
		{"interval", &c.Interval},
		{"timeout", &c.Timeout},
		{"start-period", &c.StartPeriod},
		{"start-interval", &c.StartInterval},
	} {
		if *flag.to, d = parseInterval(set.word(flag.name), flag.name); d != nil {
			return nil, d
		}
	}
	if c.Retries, d = parseRetries(set.word("retries")); d != nil {
		return nil, d
	}
	return c, nil
}

// healthTest returns the command of a HEALTHCHECK in the format of image configs, such as
// ["CMD-SHELL", "curl localhost"].
func healthTest(in *parser.Instruction, t *parser.Typed) ([]string, *diag.Diagnostic) {
	if typ := strings.ToUpper(t.Type.Value); typ != "CMD" {
		d := diag.Errorf(t.Type.Text.Range(), "Unknown type %#v in HEALTHCHECK (try CMD)", typ)
		if _, near := suggest.Search(typ, []string{"CMD", "NONE"}, true); !near {
			d.Hinted("CMD is missing before the command")
		}
		return nil, d
	}
	args := words(t.Args)
	if len(args) == 0 {
		return nil, diag.Errorf(argsRange(in), "Missing command after HEALTHCHECK CMD")
	}
	kind := "CMD-SHELL"
	if isJSON(t.Args) {
		kind = "CMD"
	}
	return append([]string{kind}, values(args)...), nil
}

// parseInterval parses w, the duration in the flag with the given name, which error
// messages contain. An empty value is 0.
func parseInterval(w parser.Word, name string) (time.Duration, *diag.Diagnostic) {
	if w.Value == "" {
		return 0, nil
	}
	v, err := time.ParseDuration(w.Value)
	if err != nil {
		return 0, diag.Errorf(w.Text.Range(), "%w", err).Hinted("--%s takes a number with a unit, such as 30s or 1m30s", name)
	}
	if v != 0 && v < minInterval {
		return 0, diag.Errorf(w.Text.Range(), "Interval %q cannot be less than %s", name, minInterval)
	}
	return v, nil
}

// parseRetries parses the value of --retries. An empty value is 0.
func parseRetries(w parser.Word) (int, *diag.Diagnostic) {
	if w.Value == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(w.Value, 10, 32)
	if err != nil {
		return 0, diag.Errorf(w.Text.Range(), "%w", err).Hinted("--retries takes a whole number, such as 3")
	}
	if n < 0 {
		return 0, diag.Errorf(w.Text.Range(), "--retries cannot be negative (%d)", n)
	}
	return int(n), nil
}
