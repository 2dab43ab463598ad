package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// aptRules returns the rules about apt-get, apt and aptitude.
func aptRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "UnpinnedApt", Code: "DL3008", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "Packages from apt should have a version",
			Checks:  lint.Checks{Stage: unpinnedApt},
		},
		{
			Name: "AptListsLeft", Code: "DL3009", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "The package lists should be deleted in the RUN that downloads them",
			Checks:  lint.Checks{Instruction: aptListsLeft},
		},
		{
			Name: "AptWithoutYes", Code: "DL3014", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "apt-get install should not ask questions",
			Checks:  lint.Checks{Command: aptWithoutYes},
		},
		{
			Name: "AptInstallsRecommends", Code: "DL3015", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "apt-get install should not install recommended packages",
			Checks:  lint.Checks{Command: aptInstallsRecommends},
		},
		{
			Name: "AptInScript", Code: "DL3027", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Scripts should call apt-get or apt-cache, not apt",
			Checks:  lint.Checks{Command: aptInScript},
		},
	}
}

// aptUsage describes the options of apt-get, apt and aptitude.
func aptUsage() script.Usage {
	return script.Usage{
		Short:    "tocaP",
		Long:     "target-release default-release option config-file host-architecture build-profiles",
		Switches: "yes assume-yes assume-no quiet fix-missing fix-broken reinstall install-recommends install-suggests purge auto-remove autoremove simulate download-only print-uris show-upgraded verbose-versions dry-run just-print trivial-only ignore-missing ignore-hold upgrade update",
	}
}

// apt returns the arguments of a command of apt with the given subcommand, or nil.
func apt(c *script.Command, sub string) *script.Arguments {
	if !is(c.Name, "apt-get", "apt", "aptitude") {
		return nil
	}
	if a := c.Arguments(aptUsage()); a.Sub() == sub {
		return a
	}
	return nil
}

func unpinnedApt(p *lint.Pass, st *lint.Stage) {
	snapshot, searched := false, false
	for c := range st.Commands() {
		a := apt(c, "install")
		if a == nil {
			continue
		}
		words := unpinned(a.Rest(), func(name string) bool {
			return strings.ContainsAny(name, "=/*") || hasAnySuffix(name, ".deb", "-") || strings.HasPrefix(name, "-")
		})
		if len(words) == 0 {
			continue
		}
		if !searched {
			snapshot, searched = st.Mentions("snapshot.debian.org") || st.Mentions("snapshot.ubuntu.com"), true
		}
		if !snapshot {
			reportNames(p, words, "packages without a version: %s (write NAME=VERSION)")
		}
	}
}

func aptListsLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	u := cleanup{
		fills: func(c *script.Command) bool { return apt(c, "update") != nil },
		dirs:  []string{"/var/lib/apt/lists"},
		clean: func(c *script.Command) bool { return apt(c, "distclean") != nil || apt(c, "dist-clean") != nil },
	}
	c := u.left(in)
	if c == nil {
		return
	}
	f := p.Report(c.Range(), "the package lists stay in the image")
	f.Hint = "end the RUN with rm -rf /var/lib/apt/lists/*"
	if at, text, ok := appendCommand(c, "rm -rf /var/lib/apt/lists/*"); ok {
		f.Fix("delete the package lists", false, lint.Replace(at, text))
	}
}

func aptWithoutYes(p *lint.Pass, c *script.Command) {
	a := apt(c, "install")
	if a == nil || a.Opaque && len(a.Operands) == 0 || c.Piped || answersYes(a) {
		return
	}
	if a.Opaque && len(a.Rest()) == 0 {
		return // the unknown words may be options
	}
	if in := p.File.InstructionOf(c.Script); in != nil && in.Stage.Mentions("Assume-Yes") {
		return
	}
	p.Report(c.Range(), "%s install asks for confirmation, which fails in a build (use -y)", c.Name).
		Fix("add -y", true, addOption(c, a.Operands[0], "-y"))
}

// answersYes reports whether apt-get asks no questions with these options.
func answersYes(a *script.Arguments) bool {
	if a.Has("-y", "--yes", "--assume-yes", "-s", "--simulate", "--dry-run", "-d", "--download-only", "--print-uris") {
		return true
	}
	if a.Count("-q", "--quiet") >= 2 {
		return true
	}
	for _, f := range a.Flags {
		switch {
		case f.Name == "-q" && f.Value == "2":
			return true
		case is(f.Name, "-o", "--option") && strings.HasPrefix(strings.ToLower(f.Value), "apt::get::assume-yes") && !isFalse(f.Value):
			return true
		}
	}
	return false
}

// isFalse reports whether the setting KEY=VALUE of apt is switched off.
func isFalse(setting string) bool {
	_, value, _ := strings.Cut(setting, "=")
	return is(strings.ToLower(value), "0", "false", "no", "off")
}

func aptInstallsRecommends(p *lint.Pass, c *script.Command) {
	a := apt(c, "install")
	if a == nil || a.Opaque && len(a.Rest()) == 0 || a.Has("--no-install-recommends") || len(a.Rest()) == 0 {
		return
	}
	for _, f := range a.Flags {
		if is(f.Name, "-o", "--option") && strings.HasPrefix(strings.ToLower(f.Value), "apt::install-recommends") && isFalse(f.Value) {
			return
		}
	}
	if in := p.File.InstructionOf(c.Script); in != nil && in.Stage.Mentions("Install-Recommends") {
		return
	}
	p.Report(c.Range(), "recommended packages are installed, too (use --no-install-recommends)").
		Fix("add --no-install-recommends", false, addOption(c, a.Operands[0], "--no-install-recommends"))
}

func aptInScript(p *lint.Pass, c *script.Command) {
	if c.Name != "apt" {
		return
	}
	f := p.Report(c.Word.Range, "apt is for terminals, and its interface may change")
	sub := c.Arguments(aptUsage()).Sub()
	switch {
	case is(sub, "install", "update", "upgrade", "remove", "purge", "autoremove", "clean", "autoclean", "source", "build-dep", "download", "changelog"):
		f.Hint = "use apt-get"
		f.Fix("use apt-get", true, lint.Replace(c.Word.Range, written(c, "apt-get")))
	case is(sub, "search", "show", "policy"):
		f.Hint = "use apt-cache"
		f.Fix("use apt-cache", true, lint.Replace(c.Word.Range, written(c, "apt-cache")))
	}
}
