package rules

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
	"slipway/plan"
	"slipway/source"
)

// commandRules returns the rules about single programs in scripts.
func commandRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "PointlessCommand", Code: "DL3001", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "A build should not run programs that only make sense in a running system",
			Checks:  lint.Checks{Command: pointlessCommand},
		},
		{
			Name: "CdInsteadOfWorkdir", Code: "DL3003", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "WORKDIR should set the directory of a RUN",
			Checks:  lint.Checks{Script: cdInsteadOfWorkdir},
		},
		{
			Name: "NoSudo", Code: "DL3004", Severity: diag.Error, Hadolint: diag.Error,
			Summary: "Scripts should not use sudo",
			Checks:  lint.Checks{Command: noSudo},
		},
		{
			Name: "UseraddHighUID", Code: "DL3046", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "useradd with a high UID should not create a huge log file",
			Checks:  lint.Checks{Command: useraddHighUID},
		},
		{
			Name: "WgetProgress", Code: "DL3047", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "wget should not print its progress for each kilobyte",
			Checks:  lint.Checks{Command: wgetProgress},
		},
		{
			Name: "ConsecutiveRuns", Code: "DL3059", Severity: diag.Style, Hadolint: diag.Info,
			Summary: "Consecutive RUN instructions could be one",
			Checks:  lint.Checks{Stage: consecutiveRuns},
		},
		{
			Name: "WgetAndCurl", Code: "DL4001", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "A stage should use either wget or curl",
			Checks:  lint.Checks{Stage: wgetAndCurl},
		},
		{
			Name: "ShellSymlinked", Code: "DL4005", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "SHELL should change the shell, not a link",
			Checks:  lint.Checks{Command: shellSymlinked},
		},
	}
}

func pointlessCommand(p *lint.Pass, c *script.Command) {
	if !is(c.Name, "free", "kill", "mount", "ps", "service", "shutdown", "ssh", "top", "vim") {
		return
	}
	in := p.File.InstructionOf(c.Script)
	switch c.Name {
	case "kill":
		if strings.Contains(c.Script.Text, "&") && startsJob(c.Script) || c.Arguments(script.Usage{}).Opaque {
			return
		}
	case "mount":
		if x := in.Step(); x == nil || x.Security == "insecure" {
			return
		}
	case "ssh":
		if x := in.Step(); x == nil || hasMount(x, plan.MountSSH) || hasMount(x, plan.MountSecret) {
			return
		}
	case "service":
		last := c.Script.Commands[len(c.Script.Commands)-1]
		if last != c {
			return
		}
	}
	p.Report(c.Word.Range, "%s has no use in a build", c.Name)
}

// startsJob reports whether a script runs a command in the background.
func startsJob(s *script.Script) bool {
	found := false
	if s.Tree != nil {
		syntax.Walk(s.Tree, func(n syntax.Node) bool {
			if st, ok := n.(*syntax.Stmt); ok && st.Background {
				found = true
			}
			return !found
		})
	}
	return found
}

// hasMount reports whether a RUN has a mount of the given type.
func hasMount(x *plan.Exec, t plan.MountType) bool {
	for _, m := range x.Mounts {
		if m.Type == t {
			return true
		}
	}
	return false
}

func cdInsteadOfWorkdir(p *lint.Pass, s *script.Script) {
	if len(s.Commands) < 2 || s.Outer != nil {
		return
	}
	first := s.Commands[0]
	if first.Name != "cd" || !first.Top || len(first.Args) != 1 || !first.Args[0].Static || is(first.Args[0].Value, "-", "~", "") {
		return
	}
	for _, c := range s.Commands[1:] {
		if is(c.Name, "cd", "pushd", "popd") {
			return
		}
	}
	dir := first.Args[0].Value
	f := p.Report(first.Range(), "use WORKDIR %s instead of cd", dir)
	next := s.Commands[1]
	gap := source.Range{File: first.Word.Range.File, Start: first.Range().End, End: max(next.Word.Range.Start, first.Range().End)}
	if s.Onbuild || s.Run == nil || !next.Top || strings.ContainsAny(dir, " \t\"'\\$") || strings.Trim(gap.String(), " \t\r\n\\") != "&&" {
		return
	}
	at := s.Instruction.Rng
	f.Fix("use WORKDIR", false,
		lint.InsertBefore(at, "WORKDIR "+dir+"\n"),
		lint.Replace(source.Range{File: at.File, Start: first.Word.Range.Start, End: next.Word.Range.Start}, ""))
}

func noSudo(p *lint.Pass, c *script.Command) {
	if c.Name != "sudo" {
		return
	}
	user := c.Arguments(script.Usage{Short: "ugpCTRDhrt", Long: "user group prompt chdir"}).Flag("-u", "--user")
	if user != nil && !is(user.Value, "root", "0", "#0") {
		return
	}
	f := p.Report(c.Word.Range, "sudo makes a build depend on a terminal and on its configuration (use USER)")
	in := p.File.InstructionOf(c.Script)
	if in == nil || in.Visit == nil || len(c.Args) == 0 || !c.Args[0].Static || hasAnyPrefix(c.Args[0].Value, "-") || strings.Contains(c.Args[0].Value, "=") {
		return
	}
	if u := in.Visit.Before.User; isRoot(u) || u == "" && in.Stage.BaseKnown {
		r := c.Word.Range
		r.End = max(c.Args[0].Range.Start, r.End)
		f.Fix("remove sudo", true, lint.Replace(r, ""))
	}
}

// isRoot reports whether the value of USER is root, with or without a group.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return is(name, "root", "0")
}

func useraddHighUID(p *lint.Pass, c *script.Command) {
	if c.Name != "useradd" {
		return
	}
	a := c.Arguments(script.Usage{
		Short:    "bcdefgGkKpRPsuZ",
		Long:     "base-dir comment home-dir expiredate inactive gid groups skel key password root prefix shell uid selinux-user",
		Switches: "create-home system user-group non-unique no-log-init",
	})
	uid := a.Flag("-u", "--uid")
	if uid == nil || a.Has("-l", "--no-log-init") {
		return
	}
	if n, err := strconv.ParseUint(uid.Value, 10, 64); err == nil && n > 99999 {
		p.Report(c.Range(), "useradd creates a lastlog that is huge with a high UID (use --no-log-init)").
			Fix("add --no-log-init", false, insertWord(c, c.Word, "--no-log-init"))
	}
}

func wgetProgress(p *lint.Pass, c *script.Command) {
	if c.Name != "wget" {
		return
	}
	a := c.Arguments(script.Usage{
		Short:    "aoeiBtOTwQPUlARDIX",
		Long:     "output-file append-output execute input-file base tries output-document timeout wait quota directory-prefix user-agent level accept reject domains header post-data post-file method body-data user password ca-certificate certificate",
		Switches: "continue quiet verbose recursive mirror https-only show-progress content-disposition trust-server-names timestamping version help background spider",
	})
	quiet := a.Has("--progress", "-q", "--quiet", "-o", "--output-file", "-a", "--append-output", "-b", "--background", "--no-verbose", "--version", "--help", "-V", "-h")
	for _, f := range a.Flags {
		quiet = quiet || strings.HasPrefix(f.Word.Value, "-n") && strings.Contains(f.Word.Value, "v")
	}
	in := p.File.InstructionOf(c.Script)
	if quiet || a.Opaque && len(a.Operands) == 0 || len(a.Operands) == 0 || in == nil || busyboxWget(in.Stage) {
		return
	}
	p.Report(c.Range(), "wget prints a line for each kilobyte (use --progress=dot:giga)").
		Fix("add --progress=dot:giga", false, insertWord(c, c.Word, "--progress=dot:giga"))
}

// busyboxWget reports whether the wget of a stage is the one of BusyBox, because the base image
// is Alpine or BusyBox and no package wget is installed.
func busyboxWget(st *lint.Stage) bool {
	if !is(baseName(st), "alpine", "busybox") {
		return false
	}
	for ; st != nil; st = st.Base {
		for c := range st.Commands() {
			if a := apk(c); a != nil {
				for _, w := range a.Rest() {
					if name, _, _ := strings.Cut(w.Value, "="); name == "wget" {
						return false
					}
				}
			}
		}
	}
	return true
}

// baseName returns the last component of the name of the stage's base image, such as alpine for
// docker.io/library/alpine:3.20.
func baseName(st *lint.Stage) string {
	for st.Base != nil {
		st = st.Base
	}
	if st.Plan == nil || st.Orphan {
		return ""
	}
	name, _, _ := strings.Cut(st.Plan.BaseName, "@")
	name = name[strings.LastIndexByte(name, '/')+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}

func consecutiveRuns(p *lint.Pass, st *lint.Stage) {
	if !st.Shipped {
		return
	}
	for i := 1; i < len(st.Instructions); i++ {
		a, b := st.Instructions[i-1], st.Instructions[i]
		if !singleCommand(a) || !singleCommand(b) || flagsOf(a) != flagsOf(b) {
			continue
		}
		f := p.Report(b.Syntax.Keyword.Range(), "this RUN and the one before could be one layer")
		f.Related = append(f.Related, diag.Related{Range: a.Syntax.Keyword.Range(), Message: "the RUN before"})
		gap := source.Range{File: p.File.Source, Start: a.Syntax.Rng.End, End: b.Syntax.Rng.Start}
		if strings.TrimSpace(gap.String()) == "" && len(b.Syntax.Flags) == 0 {
			between := a.Syntax.Rest.Range()
			between.Start, between.End = between.End, b.Syntax.Rest.Range().Start
			f.Fix("join the two RUN", false, lint.Replace(between, " && \\\n    "))
		}
	}
}

// singleCommand reports whether an instruction is a RUN in shell form with a single command.
func singleCommand(in *lint.Instruction) bool {
	run, ok := in.Command.(*instructions.Run)
	if !ok || in.Onbuild || !run.Shell || len(run.Heredocs) > 0 || len(in.Scripts) == 0 {
		return false
	}
	tree := in.Scripts[0].Tree
	if tree == nil || len(tree.Stmts) != 1 || len(tree.Last) > 0 {
		return false
	}
	_, ok = tree.Stmts[0].Cmd.(*syntax.CallExpr)
	return ok && !tree.Stmts[0].Background && !tree.Stmts[0].Semicolon.IsValid()
}

// flagsOf returns the flags of an instruction as one string.
func flagsOf(in *lint.Instruction) string {
	var b strings.Builder
	for _, f := range in.Syntax.Flags {
		b.WriteString(f.Raw)
		b.WriteByte(' ')
	}
	return b.String()
}

func wgetAndCurl(p *lint.Pass, st *lint.Stage) {
	if busyboxWget(st) {
		return
	}
	seen := map[string]bool{}
	for _, in := range st.Instructions {
		reported := false
		for _, c := range in.Commands() {
			if !is(c.Name, "wget", "curl") {
				continue
			}
			seen[c.Name] = true
			if len(seen) == 2 && !reported {
				p.Report(c.Word.Range, "the stage uses wget and curl (one of them suffices)")
				reported = true
			}
		}
	}
}

func shellSymlinked(p *lint.Pass, c *script.Command) {
	if c.Name != "ln" {
		return
	}
	a := c.Arguments(script.Usage{Short: "tS", Long: "target-directory suffix backup", Switches: "symbolic force no-dereference relative verbose"})
	if n := len(a.Operands); n == 0 || a.Opaque || a.Operands[n-1].Value != "/bin/sh" {
		return
	}
	p.Report(c.Range(), "the link changes the shell of all programs in the image (use SHELL)")
}
