package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// pipRules returns the rules about pip and its relatives.
func pipRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "UnpinnedPip", Code: "DL3013", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Packages from pip should have a version",
			Checks:  lint.Checks{Command: unpinnedPip},
		},
		{
			Name: "PipCacheLeft", Code: "DL3042", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "pip install should not leave its cache in the image",
			Checks:  lint.Checks{Instruction: pipCacheLeft},
		},
	}
}

// pipUsage describes the options of pip, pipx and uv pip.
func pipUsage() script.Usage {
	return script.Usage{
		Short:    "bCefiptcr",
		Long:     "abi build cache-dir cert client-cert config-setting config-settings constraint default-index editable exclude-newer exists-action extra-index-url find-links global-option implementation index index-url install-option link-mode log no-binary only-binary pip-args platform prefix preinstall progress-bar proxy python python-version report requirement retries root root-user-action src suffix target timeout trusted-host upgrade-strategy use-deprecated use-feature",
		Switches: "upgrade user pre isolated quiet verbose disable-pip-version-check break-system-packages require-hashes prefer-binary system compile ignore-installed ignore-requires-python use-pep517 dry-run check-build-dependencies require-virtualenv system-site-packages include-deps reinstall compile-bytecode",
	}
}

// pip returns the arguments of a pip command after the program, and the name of the program:
// pip, pipx or uv. Otherwise, the arguments are nil.
func pip(c *script.Command) (a *script.Arguments, program string) {
	switch {
	case isVersioned(c.Name, "pip"):
		return c.Arguments(pipUsage()), "pip"
	case c.Name == "pipx":
		return c.Arguments(pipUsage()), "pipx"
	case c.Name == "uv" && len(c.Args) > 0 && c.Args[0].Value == "pip":
		return c.From(1).Arguments(pipUsage()), "uv"
	case isVersioned(c.Name, "python"):
		for i, w := range c.Args {
			if w.Value == "-m" && i+1 < len(c.Args) && c.Args[i+1].Value == "pip" {
				return c.From(i + 2).Arguments(pipUsage()), "pip"
			}
			if !strings.HasPrefix(w.Value, "-") {
				break
			}
		}
	}
	return nil, ""
}

// isVersioned reports whether a program has the given name, or this name and a version, such as
// pip3.11.
func isVersioned(program, name string) bool {
	rest, ok := strings.CutPrefix(program, name)
	return ok && strings.Trim(rest, "0123456789.") == ""
}

func unpinnedPip(p *lint.Pass, c *script.Command) {
	a, _ := pip(c)
	if a == nil || a.Sub() != "install" || a.Has("-r", "--requirement", "-c", "--constraint") {
		return
	}
	words := a.Rest()
	var named []script.Word
	for i, w := range words {
		if w.Value == "@" || i > 0 && words[i-1].Value == "@" || i+1 < len(words) && words[i+1].Value == "@" {
			continue // NAME @ URL
		}
		named = append(named, w)
	}
	reportNames(p, unpinned(named, pinnedRequirement), "packages without a version: %s (write NAME==VERSION)")
}

// pinnedRequirement reports whether a requirement of pip has a version, or is a file or URL that
// needs none.
func pinnedRequirement(s string) bool {
	switch {
	case strings.ContainsAny(s, "<>=!~") && !hasAnyPrefix(s, "~", "git+", "hg+", "svn+", "bzr+"):
		return true
	case hasAnyPrefix(s, "git+", "hg+", "svn+", "bzr+", "git:", "svn:"):
		i := strings.Index(s, "://")
		return strings.Contains(s[max(i, 0):], "@")
	case hasAnyPrefix(s, ".", "/", "~"), strings.Contains(s, "/"), strings.Contains(s, "://"):
		return true
	}
	return hasAnySuffix(s, ".whl", ".tar.gz", ".zip")
}

func pipCacheLeft(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	for _, target := range in.MountTargets() {
		if hasAnySuffix(target, "/.cache/pip", "/.cache") {
			return
		}
		if dir, ok := in.Lookup("PIP_CACHE_DIR"); ok && (dir == target || strings.HasPrefix(dir, target+"/")) {
			return
		}
	}
	u := cleanup{
		fills: keepsPipCache,
		dirs:  []string{"/root/.cache/pip", "~/.cache/pip"},
		clean: func(c *script.Command) bool {
			a, _ := pip(c)
			return a != nil && a.Sub() == "cache" && len(a.Rest()) > 0 && a.Rest()[0].Value == "purge"
		},
	}
	c := u.left(in)
	if c == nil {
		return
	}
	a, _ := pip(c)
	p.Report(c.Range(), "pip install leaves its cache in the image (use --no-cache-dir)").
		Fix("add --no-cache-dir", false, addOption(c, a.Operands[0], "--no-cache-dir"))
}

// keepsPipCache reports whether a command is pip install with a cache.
func keepsPipCache(c *script.Command) bool {
	a, program := pip(c)
	if a == nil || program != "pip" || a.Sub() != "install" || a.Opaque && len(a.Rest()) == 0 || a.Has("--no-cache-dir") {
		return false
	}
	value, ok := c.Lookup("PIP_NO_CACHE_DIR")
	return !ok || !is(strings.ToLower(value), "1", "true", "on", "yes", "off", "0", "false")
}
