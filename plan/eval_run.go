package plan

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/shell"
)

// run plans the step of a RUN instruction. It expands variables only in the flags,
// because the shell of the RUN step expands variables in the command.
func (e *evaluator) run(c *instructions.Run) *diag.Diagnostic {
	mounts, d := e.mounts(c)
	if d != nil {
		return c.HintMount(d)
	}
	e.st.Used.Add("/") // a process may read any file
	x := &Exec{State: e.state, Security: c.Security}
	e.b.charge(e.state.Env.size)
	if c.Network != "default" {
		x.Network = c.Network
	}
	e.isolate(c, x)
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
	e.bypassCache(c, x)
	e.visit.Step = x
	e.commit(e.runLine(args), true)
	return nil
}

// runTitle returns the text of a RUN step in the progress output: the instruction with
// variables expanded, but with asterisks for variables that hold secrets.
func (e *evaluator) runTitle(c *instructions.Run, suffix string, mounts []mountValues) string {
	x := e.expand
	x.Mode = shell.KeepQuotes | shell.KeepEscapes | shell.KeepUnset
	return upperFirst(expandText(x, instructions.Code(c)+suffix, e.b.countReads(maskSecrets(mounts, e.state.Env))))
}

// maskSecrets returns an environment in which each variable that a secret mount sets has
// asterisks as its value.
func maskSecrets(mounts []mountValues, env Env) shell.Env {
	masked := maskedEnv{base: env, names: map[string]bool{}}
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

// maskedEnv is an environment in which the values of certain variables are replaced by
// asterisks. The field names contains the names of these variables.
type maskedEnv struct {
	base  Env
	names map[string]bool
}

// Lookup implements shell.Env.
func (s maskedEnv) Lookup(name string) (string, bool) {
	if s.names[name] {
		return "****", true
	}
	return s.base.Lookup(name)
}

// runArgs returns the argument list of the process. If the command is a single heredoc,
// suffix is a summary of the heredoc, which becomes part of the step's name in the
// progress output. If this heredoc runs as a program, runArgs stores it in the step x as
// x.Script.
func (e *evaluator) runArgs(c *instructions.Run, x *Exec) (args []string, suffix string, d *diag.Diagnostic) {
	line, d := e.expandCommand(c, c.CommandLine)
	if d != nil {
		return nil, "", d
	}
	args = make([]string, 0, len(line.Args))
	for _, w := range line.Args {
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
		args, d = e.runShell(c, x, args)
	}
	return args, suffix, d
}

// script plans a RUN whose command consists of the heredoc h, and returns the command
// line. If h starts with #! and the image is not for Windows, script stores h in the step
// x as x.Script, so that h runs as a program. Any other heredoc is itself the command line
// of the shell.
func (e *evaluator) script(h parser.Heredoc, x *Exec) string {
	data := chompHeredoc(h)
	if e.st.Image.OS == "windows" || !strings.HasPrefix(data, "#!") {
		return data
	}
	x.Script = &Script{Name: h.Name, Data: data, Platform: *e.st.Platform}
	return path.Join(ScriptDir, h.Name)
}

// chompHeredoc returns the text of the heredoc h. If h starts with <<-, the text has no
// leading tabs.
func chompHeredoc(h parser.Heredoc) string {
	if h.Chomp {
		return parser.Chomp(h.Content())
	}
	return h.Content()
}

// isHeredoc reports whether a command consists of a single heredoc word, such as <<EOF.
func isHeredoc(s string) bool { return parser.IsHeredoc(s) }

// withBodies returns a command line followed by the texts of its heredocs, as the shell
// expects.
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

// summarize returns the first line of a heredoc. Three dots follow if there are more
// lines.
func summarize(doc string) string {
	doc = strings.ReplaceAll(strings.TrimSpace(doc), "\r\n", "\n")
	first, _, more := strings.Cut(doc, "\n")
	if more {
		first += "..."
	}
	return first
}
