package instructions

import (
	"encoding/json"

	"slipway/diag"
	"slipway/parser"
)

// checkCommandLine checks --expand and --shell of RUN, CMD or ENTRYPOINT. The parameter shell
// is true if the instruction has the shell form.
func checkCommandLine(x *Extension, shell bool) *diag.Diagnostic {
	if f := x.Flag("expand"); f != nil && shell {
		return errExpandShell(f)
	}
	if f := x.Flag("shell"); f != nil && !shell {
		return diag.Errorf(f.Text.Range(), "--shell is for the shell form; the JSON form runs without a shell")
	}
	return nil
}

func errExpandShell(f *parser.Flag) *diag.Diagnostic {
	return diag.Errorf(f.Text.Range(), "--expand is for the JSON form; a shell expands the other itself")
}

// checkHealthcheck checks --expand of HEALTHCHECK, and stores the words of the command.
func checkHealthcheck(c *Healthcheck, x *Extension) *diag.Diagnostic {
	f := x.Flag("expand")
	t, ok := c.In.Args.(*parser.Typed)
	if f == nil || !ok {
		return nil
	}
	switch {
	case c.Test[0] == "NONE":
		return diag.Errorf(f.Text.Range(), "--expand is for HEALTHCHECK CMD; HEALTHCHECK NONE has no command")
	case c.Test[0] != "CMD":
		return errExpandShell(f)
	}
	x.Test = words(t.Args)
	return nil
}

// parseShell parses the value of --shell, a JSON array of strings.
func parseShell(f *parser.Flag) ([]string, *diag.Diagnostic) {
	var list []string
	if err := json.Unmarshal([]byte(f.Value), &list); err != nil || len(list) == 0 {
		return nil, diag.Errorf(f.Text.Range(), "--shell takes a JSON array of strings").Hinted(`quote it, as in --shell='["/bin/bash","-c"]'`)
	}
	return list, nil
}
