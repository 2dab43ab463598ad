package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// zypperRules returns the rules about zypper.
func zypperRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "ZypperWithoutYes", Code: "DL3034", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "zypper should not ask questions",
			Checks:  lint.Checks{Command: zypperWithoutYes},
		},
		{
			Name: "ZypperDistUpgrade", Code: "DL3035", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "A build should not upgrade the distribution",
			Checks:  lint.Checks{Command: zypperDistUpgrade},
		},
		{
			Name: "ZypperCacheLeft", Code: "DL3036", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "zypper should not leave its cache in the image",
			Checks:  lint.Checks{Instruction: zypperCacheLeft},
		},
		{
			Name: "UnpinnedZypper", Code: "DL3037", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "Packages from zypper should have a version",
			Checks:  lint.Checks{Command: unpinnedZypper},
		},
	}
}

// zypper returns the arguments of zypper, or nil.
func zypper(c *script.Command) *script.Arguments {
	if c.Name != "zypper" {
		return nil
	}
	return c.Arguments(script.Usage{
		Short:    "rRCtp",
		Long:     "repo from root installroot cache-dir type plus-repo",
		Switches: "non-interactive no-confirm quiet verbose auto-agree-with-licenses gpg-auto-import-keys recommends force details replacefiles download-only",
	})
}

func zypperWithoutYes(p *lint.Pass, c *script.Command) {
	a := zypper(c)
	if a == nil || c.Piped || a.Has("-n", "--non-interactive", "-y", "--no-confirm") ||
		!is(a.Sub(), "install", "in", "remove", "rm", "source-install", "si", "patch") || a.Opaque && len(a.Rest()) == 0 {
		return
	}
	p.Report(c.Range(), "zypper %s asks for confirmation, which fails in a build (use --non-interactive)", a.Sub()).
		Fix("add --non-interactive", true, insertWord(c, c.Word, "--non-interactive"))
}

func zypperDistUpgrade(p *lint.Pass, c *script.Command) {
	if a := zypper(c); a != nil && is(a.Sub(), "dist-upgrade", "dup") {
		p.Report(c.Range(), "the upgrade gives another image with each build (use a newer base image)")
	}
}

func zypperCacheLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	sub := func(c *script.Command, names ...string) bool {
		a := zypper(c)
		return a != nil && is(a.Sub(), names...)
	}
	u := cleanup{
		fills: func(c *script.Command) bool { return sub(c, "install", "in") },
		dirs:  []string{"/var/cache/zypp"},
		clean: func(c *script.Command) bool { return sub(c, "clean", "cc") },
	}
	reportCache(p, u.left(in), "zypper clean --all")
}

func unpinnedZypper(p *lint.Pass, c *script.Command) {
	a := zypper(c)
	if a == nil || !is(a.Sub(), "install", "in") {
		return
	}
	reportNames(p, unpinned(a.Rest(), func(s string) bool {
		return strings.ContainsAny(s, "=<>/") || strings.HasSuffix(s, ".rpm")
	}), "packages without a version: %s (write NAME=VERSION)")
}
