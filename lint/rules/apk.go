package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// apkRules returns the rules about apk.
func apkRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "UnpinnedApk", Code: "DL3018", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "Packages from apk should have a version",
			Checks:  lint.Checks{Command: unpinnedApk},
		},
		{
			Name: "ApkCacheLeft", Code: "DL3019", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "apk add should not leave its cache in the image",
			Checks:  lint.Checks{Instruction: apkCacheLeft},
		},
	}
}

// apk returns the arguments of apk add, or nil.
func apk(c *script.Command) *script.Arguments {
	if c.Name != "apk" {
		return nil
	}
	a := c.Arguments(script.Usage{
		Short:    "tXp",
		Long:     "virtual repository root keys-dir repositories-file arch cache-dir cache-max-age wait timeout",
		Switches: "update-cache update upgrade quiet verbose interactive initdb latest usermode clean-protected overlay-from-stdin purge progress",
	})
	if a.Sub() != "add" {
		return nil
	}
	return a
}

func unpinnedApk(p *lint.Pass, c *script.Command) {
	a := apk(c)
	if a == nil {
		return
	}
	reportNames(p, unpinned(a.Rest(), func(name string) bool {
		return strings.ContainsAny(name, "=~<>") || strings.HasSuffix(name, ".apk") || hasAnyPrefix(name, "!", ".")
	}), "packages without a version: %s (write NAME=VERSION)")
}

func apkCacheLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	u := cleanup{
		fills: func(c *script.Command) bool {
			a := apk(c)
			return a != nil && !a.Opaque && !a.Has("--no-cache", "-h", "--help")
		},
		dirs: []string{"/var/cache/apk", "/etc/apk/cache"},
	}
	c := u.left(in)
	if c == nil {
		return
	}
	a := apk(c)
	p.Report(c.Range(), "apk add leaves the package index in the image (use --no-cache)").
		Fix("add --no-cache", false, addOption(c, a.Operands[0], "--no-cache"))
}
