package instructions

import (
	"strconv"
	"strings"
	"time"

	"slipway/diag"
	"slipway/parser"
)

var healthFlags = []flag{
	{"interval", text},
	{"timeout", text},
	{"start-period", text},
	{"start-interval", text},
	{"retries", text},
}

// parseHealthcheck reads HEALTHCHECK [flags] CMD COMMAND or HEALTHCHECK NONE.
//
// Upstream: NONE does not look at flags.
func parseHealthcheck(r *request) (Command, *diag.Diagnostic) {
	typed, ok := r.in.Args.(*parser.Typed)
	if !ok {
		return nil, r.atLeastOne()
	}
	h := &Healthcheck{Node: Node{r.in}}
	args := typedArgs(typed)
	kind := strings.ToUpper(typed.Type.Value)
	if kind == "NONE" {
		if len(args) != 0 {
			return nil, r.errorf("HEALTHCHECK NONE takes no arguments")
		}
		h.Test = []string{kind}
		return h, nil
	}
	values, d := r.parseFlags(healthFlags...)
	if d != nil {
		return nil, d
	}
	if kind != "CMD" {
		return nil, diag.Errorf(typed.Type.Text.Range(), "Unknown type %#v in HEALTHCHECK (try CMD)", kind)
	}
	if len(args) == 0 {
		return nil, r.errorf("Missing command after HEALTHCHECK CMD")
	}
	if _, json := typed.Args.(*parser.JSON); !json {
		kind = "CMD-SHELL"
	}
	h.Test = append([]string{kind}, args...)
	return h, h.setFlags(values)
}

func typedArgs(t *parser.Typed) []string {
	var args []string
	switch a := t.Args.(type) {
	case *parser.Raw:
		args = append(args, a.Word.Value)
	case *parser.JSON:
		for _, w := range a.Words {
			args = append(args, w.Value)
		}
	}
	return args
}

func (h *Healthcheck) setFlags(values flags) *diag.Diagnostic {
	for _, f := range []struct {
		name string
		to   *time.Duration
	}{
		{"interval", &h.Interval},
		{"timeout", &h.Timeout},
		{"start-period", &h.StartPeriod},
		{"start-interval", &h.StartInterval},
	} {
		if d := setDuration(f.to, values, f.name); d != nil {
			return d
		}
	}
	w := values.word("retries")
	if w.Value == "" {
		return nil
	}
	n, err := strconv.ParseInt(w.Value, 10, 32)
	if err != nil {
		return diag.Errorf(w.Text.Range(), "%w", err)
	}
	if n < 0 {
		return diag.Errorf(w.Text.Range(), "--retries cannot be negative (%d)", n)
	}
	h.Retries = int(n)
	return nil
}

// setDuration reads a duration. Zero stands for the default; anything else
// below a millisecond is refused, as the daemon would.
func setDuration(to *time.Duration, values flags, name string) *diag.Diagnostic {
	w := values.word(name)
	if w.Value == "" {
		return nil
	}
	v, err := time.ParseDuration(w.Value)
	if err != nil {
		return diag.Errorf(w.Text.Range(), "%w", err)
	}
	if v != 0 && v < time.Millisecond {
		return diag.Errorf(w.Text.Range(), "Interval %#v cannot be less than %s", name, time.Millisecond)
	}
	*to = v
	return nil
}
