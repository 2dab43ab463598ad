package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// nodeRules returns the rules about npm, pnpm and yarn.
func nodeRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "UnpinnedNpm", Code: "DL3016", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Packages from npm should have a version",
			Checks:  lint.Checks{Command: unpinnedNpm},
		},
		{
			Name: "YarnCacheLeft", Code: "DL3060", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "yarn install should not leave its cache in the image",
			Checks:  lint.Checks{Instruction: yarnCacheLeft},
		},
	}
}

// npmUsage describes the options of npm, pnpm and yarn.
func npmUsage() script.Usage {
	return script.Usage{
		Short:    "Cw",
		Long:     "loglevel registry prefix cache userconfig workspace filter tag omit include fetch-retries fetch-timeout network-timeout cache-folder modules-folder",
		Switches: "global save save-dev save-exact save-prod save-optional production unsafe-perm legacy-peer-deps ignore-scripts prefer-offline offline silent quiet verbose dev exact frozen-lockfile immutable non-interactive ignore-engines ignore-optional ignore-platform strict-peer-deps loglevel-silent workspaces dry-run check-files flat pure-lockfile link-duplicates",
	}
}

func unpinnedNpm(p *lint.Pass, c *script.Command) {
	if !is(c.Name, "npm", "pnpm", "yarn") {
		return
	}
	a := c.Arguments(npmUsage())
	words := a.Rest()
	switch {
	case c.Name == "npm" && is(a.Sub(), "install", "i", "add"):
	case c.Name == "pnpm" && is(a.Sub(), "add", "install", "i") && a.Has("-g", "--global"):
	case c.Name == "yarn" && a.Sub() == "global" && len(words) > 0 && words[0].Value == "add":
		words = words[1:]
	default:
		return
	}
	reportNames(p, unpinned(words, pinnedNpm), "packages without a version: %s (write NAME@VERSION)")
}

// pinnedNpm reports whether a package of npm has a version, or is a file or URL that needs
// none.
func pinnedNpm(s string) bool {
	switch {
	case hasAnyPrefix(s, "git+", "git:", "git@", "github:", "gitlab:", "bitbucket:") || strings.HasSuffix(s, ".git"):
		return strings.Contains(s, "#")
	case hasAnyPrefix(s, "/", "./", "../", "~/", "file:", "http://", "https://") || is(s, ".", ".."):
		return true
	case hasAnySuffix(s, ".tar", ".tgz", ".tar.gz"):
		return true
	case strings.Contains(s, "#"):
		return true
	}
	return strings.LastIndexByte(s, '@') > 0
}

func yarnCacheLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	for _, target := range in.MountTargets() {
		if strings.Contains(target, "yarn") || hasAnySuffix(target, "/.cache") {
			return
		}
	}
	u := cleanup{
		fills: func(c *script.Command) bool {
			return c.Name == "yarn" && (len(c.Args) == 0 || c.Arguments(npmUsage()).Sub() == "install")
		},
		dirs: []string{"/usr/local/share/.cache/yarn", "/root/.cache/yarn", "~/.cache/yarn"},
		clean: func(c *script.Command) bool {
			a := c.Arguments(npmUsage())
			return c.Name == "yarn" && a.Sub() == "cache" && len(a.Rest()) > 0 && a.Rest()[0].Value == "clean"
		},
	}
	reportCache(p, u.left(in), "yarn cache clean")
}
