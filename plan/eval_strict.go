package plan

import (
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

const (
	noNetwork = " --network=none" // what [evaluator.isolate] inserts after the keyword
	required  = ",required"       // what [evaluator.requireSecret] inserts after the mount
)

// isolate gives a RUN without --network no network, if the option network=none is set.
func (e *evaluator) isolate(c *instructions.Run, x *Exec) {
	given := slices.ContainsFunc(c.In.Flags, func(f parser.Flag) bool { return f.Name == "network" })
	if !e.b.current.rules.Offline || given {
		return
	}
	x.Network = "none"
	if e.refuseTrigger("network=none") {
		return
	}
	r := c.In.Keyword.Range()
	r.Start = r.End
	e.b.lowering(c.In).edit(r, noNetwork)
}

// refuseTrigger records that an option which applies to an ONBUILD trigger cannot be said in a
// plain Dockerfile. It returns false if the current instruction is not a trigger.
func (e *evaluator) refuseTrigger(option string) bool {
	if !e.visit.Onbuild {
		return false
	}
	from := e.st.Syntax.From
	e.b.lowering(from.In).Native = diag.Errorf(from.Base.Text.Range(), "%s for the ONBUILD triggers of %s cannot be said in a plain Dockerfile; start from an image without triggers", option, from.Base.Value)
	return true
}

// requireSecret makes a secret or ssh mount required, if the option strict is set and the mount
// does not say otherwise.
func (e *evaluator) requireSecret(c *instructions.Run, m *mountValues, mount *instructions.Mount) {
	given := slices.ContainsFunc(mount.Fields, func(f instructions.MountField) bool { return f.Key == "required" })
	if !e.b.current.rules.Strict || given || m.typ != MountSecret && m.typ != MountSSH {
		return
	}
	m.required = true
	if e.refuseTrigger("strict") {
		return
	}
	r := mount.Flag.ValueRange
	if n := len(r.String()); n > 0 && (r.String()[n-1] == '"' || r.String()[n-1] == '\'') {
		r.End--
	}
	r.Start = r.End
	e.b.lowering(c.In).edit(r, required)
}

// strictShells lists the names of shells that support -e.
func strictShells() []string { return []string{"sh", "bash", "ash", "dash", "ksh", "mksh", "zsh"} }

// pipefailShells lists the names of shells all of whose versions in use support pipefail.
func pipefailShells() []string { return []string{"bash", "zsh", "ksh", "mksh"} }

// runShell returns the argument list that runs a command line of a RUN in its shell: the shell
// of --shell or of the stage, which stops at the first error if the option strict is set.
func (e *evaluator) runShell(c *instructions.Run, x *Exec, args []string) ([]string, *diag.Diagnostic) {
	strict := e.b.current.rules.Strict
	if strict && len(c.Heredocs) > 0 && (x.Script != nil || startsProgram(c)) {
		word := c.Heredocs[0].Word
		e.recordFact(&Advice{Check: "StrictScript", Range: word.Range(), Text: "strict does not reach the program that reads " + word.String()})
	}
	own := c.Ext != nil && c.Ext.Shell != nil
	if !own && (!strict || x.Script != nil) {
		return e.withShell(args), nil
	}
	shell := e.stageShell()
	if own {
		shell = c.Ext.Shell
	}
	if strict && x.Script == nil {
		var d *diag.Diagnostic
		if shell, d = e.strictShell(c, shell); d != nil {
			return nil, d
		}
	}
	argv := append(slices.Clone(shell), strings.Join(args, " "))
	e.lowerShell(c, x, argv)
	return argv, nil
}

// startsProgram reports whether the command line of a RUN names a program that executes its
// heredoc, as in RUN <<EOF bash.
func startsProgram(c *instructions.Run) bool {
	if len(c.Args) != 1 {
		return false
	}
	first, _, more := strings.Cut(c.Args[0].Value, " ")
	return more && isHeredoc(first)
}

// strictShell returns the shell with options that stop at the first error.
func (e *evaluator) strictShell(c *instructions.Run, shell []string) ([]string, *diag.Diagnostic) {
	name := path.Base(shell[0])
	last := shell[len(shell)-1]
	if e.st.Image.OS == "windows" || !slices.Contains(strictShells(), name) || !strings.HasPrefix(last, "-") || !strings.HasSuffix(last, "c") || strings.HasPrefix(last, "--") {
		return nil, diag.Errorf(e.shellRange(c), "strict does not know the shell %s", strings.Join(shell, " "))
	}
	out := slices.Clone(shell)
	if !strings.Contains(last, "e") {
		out[len(out)-1] = "-e" + last[1:]
	}
	if e.b.current.rules.Pipefail || slices.Contains(pipefailShells(), name) {
		out = slices.Insert(out, len(out)-1, "-o", "pipefail")
	}
	return out, nil
}

// lowerShell records that the plain RUN has the given argument list in JSON form.
func (e *evaluator) lowerShell(c *instructions.Run, x *Exec, argv []string) {
	if e.refuseTrigger("strict") {
		return
	}
	l := e.b.lowering(c.In)
	text := jsonText(argv)
	const maxLine = 60000
	if x.Script != nil || len(text) > maxLine || !utf8.ValidString(strings.Join(argv, "")) {
		l.Native = diag.Errorf(c.In.Rest.Range(), "this command cannot be said in the JSON form of RUN; write a SHELL instruction above it")
		return
	}
	r := c.In.Rest.Range()
	if n := len(c.Heredocs); n > 0 {
		r.End = c.Heredocs[n-1].End.End
	}
	r.End = trimLineEnd(r.File.Bytes, r.Start, r.End)
	removed := false // whether the text follows a flag that is removed, with the blanks after it
	for _, e := range l.Edits {
		if e.Range.End >= r.Start {
			r.Start, removed = e.Range.End, e.New == ""
		}
	}
	if c.In.Rest.String() == "" { // comments and continuations may follow the flags
		r.End = trimLineEnd(r.File.Bytes, r.Start, c.In.Rng.End)
	}
	r.End = max(r.Start, r.End)
	if !removed && !strings.ContainsRune(" \t\n", rune(r.File.Bytes[r.Start-1])) {
		text = " " + text // without a command, a flag precedes directly
	}
	for _, e := range l.Edits {
		for _, before := range []string{noNetwork, required} {
			if e.Range == r && strings.HasPrefix(e.New, before) {
				text = before + text
			}
		}
	}
	l.edit(r, text)
}

// trimLineEnd returns the offset end without line ends that precede it.
func trimLineEnd(b []byte, start, end int) int {
	for end > start && (b[end-1] == '\n' || b[end-1] == '\r') {
		end--
	}
	return end
}

// bypassCache lets the step x of a RUN with --no-cache bypass the cache. It records that the
// plain RUN lacks the flag.
func (e *evaluator) bypassCache(c *instructions.Run, x *Exec) {
	if c.Ext != nil && c.Ext.NoCache {
		x.NoCache = true
		l := e.b.lowering(c.In)
		l.Left = append(l.Left, "--no-cache")
	}
}

// shellRange returns the range of the shell of a RUN for errors: the flag --shell, the last
// SHELL instruction of the stage, or the FROM from which the shell is inherited.
func (e *evaluator) shellRange(c *instructions.Run) source.Range {
	if f := c.Ext.Flag("shell"); f != nil {
		return f.Text.Range()
	}
	for _, v := range slices.Backward(e.st.Visits) {
		if s, ok := v.Command.(*instructions.Shell); ok && !v.Onbuild {
			return s.In.Rest.Range()
		}
	}
	return e.st.Syntax.From.Base.Text.Range()
}
