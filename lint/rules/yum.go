package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// yumRules returns the rules about yum and dnf.
func yumRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "YumWithoutYes", Code: "DL3030", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "yum install should not ask questions",
			Checks:  lint.Checks{Command: yumWithoutYes},
		},
		{
			Name: "YumCacheLeft", Code: "DL3032", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "yum should not leave its cache in the image",
			Checks:  lint.Checks{Instruction: yumCacheLeft},
		},
		{
			Name: "UnpinnedYum", Code: "DL3033", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "Packages from yum should have a version",
			Checks:  lint.Checks{Command: unpinnedYum},
		},
		{
			Name: "DnfWithoutYes", Code: "DL3038", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "dnf install should not ask questions",
			Checks:  lint.Checks{Command: dnfWithoutYes},
		},
		{
			Name: "DnfCacheLeft", Code: "DL3040", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "dnf should not leave its cache in the image",
			Checks:  lint.Checks{Instruction: dnfCacheLeft},
		},
		{
			Name: "UnpinnedDnf", Code: "DL3041", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "Packages from dnf should have a version",
			Checks:  lint.Checks{Command: unpinnedDnf},
		},
	}
}

// yumUsage describes the options of yum and dnf.
func yumUsage() script.Usage {
	return script.Usage{
		Short:    "cdexR",
		Long:     "config debuglevel errorlevel exclude excludepkgs enablerepo disablerepo repo repoid repofrompath installroot releasever setopt forcearch advisory comment color destdir downloaddir",
		Switches: "assumeyes assumeno best nobest nogpgcheck nodocs quiet verbose refresh cacheonly downloadonly obsoletes allowerasing security bugfix noplugins disableplugin setopts",
	}
}

// rpmTool returns the arguments of a command of one of the programs, or nil.
func rpmTool(c *script.Command, programs ...string) *script.Arguments {
	if !is(c.Name, programs...) {
		return nil
	}
	return c.Arguments(yumUsage())
}

// dnfNames returns the names of dnf's programs.
func dnfNames() []string { return []string{"dnf", "microdnf", "dnf5"} }

func yumWithoutYes(p *lint.Pass, c *script.Command) { rpmWithoutYes(p, c, "yum") }
func dnfWithoutYes(p *lint.Pass, c *script.Command) { rpmWithoutYes(p, c, dnfNames()...) }

// rpmWithoutYes reports an installation that asks for confirmation.
func rpmWithoutYes(p *lint.Pass, c *script.Command, programs ...string) {
	a := rpmTool(c, programs...)
	if a == nil || c.Piped || a.Has("-y", "--assumeyes", "--assumeno", "--downloadonly") {
		return
	}
	sub := a.Sub()
	group := sub == "group" && len(a.Rest()) > 0 && a.Rest()[0].Value == "install" && c.Name != "yum"
	if !is(sub, "install", "groupinstall", "localinstall") && !group || a.Opaque && len(a.Rest()) == 0 {
		return
	}
	for _, f := range a.Flags {
		if f.Name == "--setopt" && strings.HasPrefix(f.Value, "assumeyes=") && !isFalse(f.Value) {
			return
		}
	}
	at := a.Operands[0]
	if group {
		at = a.Operands[1]
	}
	p.Report(c.Range(), "%s %s asks for confirmation, which fails in a build (use -y)", c.Name, sub).
		Fix("add -y", true, addOption(c, at, "-y"))
}

func unpinnedYum(p *lint.Pass, c *script.Command) { unpinnedRPM(p, c, "yum") }
func unpinnedDnf(p *lint.Pass, c *script.Command) { unpinnedRPM(p, c, dnfNames()...) }

// unpinnedRPM reports packages and module streams without a version.
func unpinnedRPM(p *lint.Pass, c *script.Command, programs ...string) {
	a := rpmTool(c, programs...)
	if a == nil {
		return
	}
	words := a.Rest()
	switch {
	case is(a.Sub(), "install", "localinstall"):
		words = unpinned(words, hasRPMVersion)
	case a.Sub() == "module" && len(words) > 0 && words[0].Value == "install":
		words = unpinned(words[1:], func(s string) bool { return strings.Contains(s, ":") })
	default:
		return
	}
	reportNames(p, words, "packages without a version: %s (write NAME-VERSION)")
}

// hasRPMVersion reports whether the name of a package contains a version, such as bash-5.1 or
// vim-2:8.0-1.el8. Files, URLs, groups and paths need none.
func hasRPMVersion(s string) bool {
	if hasAnySuffix(s, ".rpm") || strings.HasPrefix(s, "@") || strings.ContainsAny(s, "/*") {
		return true
	}
	parts := strings.Split(s, "-")
	for i := 1; i < len(parts); i++ {
		v := parts[i]
		if epoch, rest, ok := strings.Cut(v, ":"); ok && strings.Trim(epoch, "0123456789") == "" {
			v = rest
		}
		if v != "" && v[0] >= '0' && v[0] <= '9' && len(parts)-i <= 2 {
			return true
		}
	}
	return false
}

func yumCacheLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	u := cleanup{
		fills: func(c *script.Command) bool {
			a := rpmTool(c, "yum")
			return a != nil && a.Sub() == "install"
		},
		dirs:  []string{"/var/cache/yum"},
		clean: func(c *script.Command) bool { return cleansAll(c, "yum") },
	}
	reportCache(p, u.left(in), "yum clean all")
}

func dnfCacheLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	u := cleanup{
		fills: func(c *script.Command) bool {
			a := rpmTool(c, dnfNames()...)
			return a != nil && is(a.Sub(), "install", "in", "upgrade", "up", "update", "upgrade-minimal", "up-min", "reinstall", "rei")
		},
		dirs:  []string{"/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"},
		clean: func(c *script.Command) bool { return cleansAll(c, "dnf", "microdnf", "dnf5", "yum") },
		mount: []string{"/root/.cache/libdnf5"},
	}
	c := u.left(in)
	command := "dnf clean all"
	if c != nil {
		command = c.Name + " clean all"
	}
	reportCache(p, c, command)
}

// cleansAll reports whether a command is clean all of one of the programs.
func cleansAll(c *script.Command, programs ...string) bool {
	a := rpmTool(c, programs...)
	return a != nil && a.Sub() == "clean" && len(a.Rest()) > 0 && a.Rest()[0].Value == "all"
}

// reportCache reports a command c, unless it is nil, whose cache the given command would
// remove.
func reportCache(p *lint.Pass, c *script.Command, command string) {
	if c == nil {
		return
	}
	f := p.Report(c.Range(), "%s leaves its cache in the image", c.Name)
	f.Hint = "end the RUN with " + command
	if at, text, ok := appendCommand(c, command); ok {
		f.Fix("append "+command, false, lint.Replace(at, text))
	}
}
