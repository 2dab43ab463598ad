package plan

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
)

// run plans a process. Only flags are expanded here: the shell of the step expands the
// variables of the command.
func (e *evaluator) run(c *instructions.Run) *diag.Diagnostic {
	mounts, d := e.mounts(c)
	if d != nil {
		return c.HintMount(d)
	}
	e.st.Used.Add("/") // a process may read everything
	x := &Exec{State: e.state, Security: c.Security}
	e.b.charge(e.state.Env.size)
	if c.Network != "default" {
		x.Network = c.Network
	}
	args, suffix, d := e.runArgs(c, x)
	if d != nil {
		return d
	}
	x.Args = args
	if x.Mounts, d = e.bindMounts(mounts); d != nil {
		return c.HintMount(d)
	}
	for _, dev := range c.Devices {
		x.Devices = append(x.Devices, Device{Name: dev.Name, Optional: !dev.Required})
	}
	x.StepInfo = e.info(c, e.runTitle(c, suffix, mounts))
	x.NoCache = e.st.NoCache
	e.visit.Step = x
	e.commit(e.runLine(args), true)
	return nil
}

// runTitle returns the command as it is written, with the values of secrets masked.
func (e *evaluator) runTitle(c *instructions.Run, suffix string, mounts []mountValues) string {
	x := e.expand
	x.Mode = shell.KeepQuotes | shell.KeepEscapes | shell.KeepUnset
	return upperFirst(expandText(x, instructions.Code(c)+suffix, e.b.counted(maskSecrets(mounts, e.state.Env))))
}

// maskSecrets returns the environment with the values of secrets replaced by asterisks.
func maskSecrets(mounts []mountValues, env Env) shell.Env {
	masked := secretEnv{base: env, names: map[string]bool{}}
	for _, m := range mounts {
		if m.typ == MountSecret && m.env != nil {
			masked.names[*m.env] = true
		}
	}
	if len(masked.names) == 0 {
		return env
	}
	return masked
}

// secretEnv is an environment that hides the values of secrets.
type secretEnv struct {
	base  Env
	names map[string]bool
}

// Lookup returns asterisks for secrets.
func (s secretEnv) Lookup(name string) (string, bool) {
	if s.names[name] {
		return "****", true
	}
	return s.base.Lookup(name)
}

// runArgs returns the argument list, and the suffix of the step's name for a heredoc.
func (e *evaluator) runArgs(c *instructions.Run, x *Exec) (args []string, suffix string, d *diag.Diagnostic) {
	args = make([]string, 0, len(c.Args))
	for _, w := range c.Args {
		args = append(args, w.Value)
	}
	if len(c.Heredocs) > 0 {
		if len(args) != 1 || !c.Shell {
			return nil, "", diag.Errorf(c.In.Rest.Range(), "parsing produced an invalid run command: %v", args)
		}
		if isHeredoc(args[0]) {
			suffix = " (" + summarize(c.Heredocs[0].Content()) + ")"
			args = []string{e.script(c.Heredocs[0], x)}
		} else {
			args = []string{withBodies(args[0], c.Heredocs)}
		}
	}
	if c.Shell {
		args = e.withShell(args)
	}
	return args, suffix, nil
}

// script plans a command that consists of one heredoc. A heredoc that starts with #! runs
// as a program, any other one as input of the shell.
func (e *evaluator) script(h parser.Heredoc, x *Exec) string {
	data := chompHeredoc(h)
	if e.st.Image.OS == "windows" || !strings.HasPrefix(data, "#!") {
		return data
	}
	x.Script = &Script{Name: h.Name, Data: data, Platform: *e.st.Platform}
	return path.Join(ScriptDir, h.Name)
}

func chompHeredoc(h parser.Heredoc) string {
	if h.Chomp {
		return parser.Chomp(h.Content())
	}
	return h.Content()
}

// isHeredoc reports whether the command consists of one heredoc word.
func isHeredoc(s string) bool { return parser.IsHeredoc(s) }

// withBodies appends the heredocs to the command line, where the shell expects them.
func withBodies(line string, docs []parser.Heredoc) string {
	var b strings.Builder
	b.WriteString(line)
	for _, h := range docs {
		b.WriteByte('\n')
		b.WriteString(h.Content())
		b.WriteString(h.Name)
	}
	return b.String()
}

// summarize returns the first line of a heredoc, followed by … if there are more
// lines.
func summarize(doc string) string {
	doc = strings.ReplaceAll(strings.TrimSpace(doc), "\r\n", "\n")
	first, _, more := strings.Cut(doc, "\n")
	if more {
		first += "..."
	}
	return first
}
