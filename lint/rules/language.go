package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
)

// languageRules returns the rules about gem and go.
func languageRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "UnpinnedGem", Code: "DL3028", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Packages from gem should have a version",
			Checks:  lint.Checks{Command: unpinnedGem},
		},
		{
			Name: "UnpinnedGo", Code: "DL3062", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Programs from go install should have a version",
			Checks:  lint.Checks{Command: unpinnedGo},
		},
	}
}

func unpinnedGem(p *lint.Pass, c *script.Command) {
	if c.Name != "gem" {
		return
	}
	a := c.Until("--").Arguments(script.Usage{
		Short:    "vinPspBg",
		Long:     "version install-dir bindir trust-policy source http-proxy platform build-root file document",
		Switches: "conservative user-install quiet silent verbose remote local both clear-sources prerelease development minimal-deps explain lock",
	})
	if !is(a.Sub(), "install", "i") || a.Has("-v", "--version", "-g", "--file") {
		return
	}
	reportNames(p, unpinned(a.Rest(), func(s string) bool {
		return strings.Contains(s, ":") || strings.HasSuffix(s, ".gem")
	}), "gems without a version: %s (write NAME:VERSION)")
}

func unpinnedGo(p *lint.Pass, c *script.Command) {
	if c.Name != "go" {
		return
	}
	a := c.Arguments(script.Usage{
		Single:   true,
		Long:     "C o p tags ldflags gcflags asmflags mod modfile overlay pkgdir toolexec buildmode compiler installsuffix exec",
		Switches: "v x n a race msan asan work trimpath u t d insecure",
	})
	words := a.Rest()
	switch a.Sub() {
	case "install", "get":
	case "run":
		words = words[:min(len(words), 1)]
	default:
		return
	}
	var module *bool
	reportNames(p, unpinned(words, func(s string) bool {
		if _, version, ok := strings.Cut(s, "@"); ok {
			return !is(version, "latest", "none", "")
		}
		first, _, _ := strings.Cut(s, "/")
		if !strings.Contains(first, ".") || hasAnyPrefix(s, ".", "/") || strings.HasSuffix(s, ".go") {
			return true
		}
		if module == nil {
			found := hasModule(p.File.InstructionOf(c.Script))
			module = &found
		}
		return *module
	}), "programs without a version: %s (write PATH@VERSION)")
}

// hasModule reports whether a go.mod may have been copied before an instruction, so that it
// sets the versions.
func hasModule(in *lint.Instruction) bool {
	if in == nil {
		return false
	}
	for st := in.Stage; st != nil; st = st.Base {
		for _, earlier := range st.Instructions {
			if earlier == in {
				break
			}
			c, ok := earlier.Command.(*instructions.Copy)
			if !ok {
				continue
			}
			for _, src := range c.Sources {
				if name := src.Value; hasAnySuffix(name, "go.mod", "go.*", "/", ".", "*") || !strings.Contains(name, ".") {
					return true
				}
			}
		}
	}
	return in.Step() != nil && strings.Contains(in.Syntax.Rng.String(), "type=bind") || strings.Contains(in.Syntax.Rng.String(), "go mod init")
}
