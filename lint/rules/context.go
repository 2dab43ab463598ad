package rules

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/lint"
	"slipway/lint/script"
)

// contextRules returns the rules about the files of the context. They report nothing if these
// are unknown.
func contextRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "CopySourceMissing", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "The sources of COPY should exist",
			Checks:  lint.Checks{Instruction: copySourceMissing},
		},
		{
			Name: "CopyLeaksFiles", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "COPY of a directory should not take secrets and history",
			Checks:  lint.Checks{Instruction: copyLeaksFiles},
		},
		{
			Name: "CopyBeforeInstall", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "The list of packages should be copied before the other files",
			Checks:  lint.Checks{Stage: copyBeforeInstall},
		},
	}
}

// contextSources calls f for each source of a COPY or ADD that is a path in the context.
func contextSources(in *lint.Instruction, cmd instructions.Command, f func(i int, name string)) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || c.From.Value != "" || in.Onbuild {
		return
	}
	for i, src := range c.Sources {
		v := in.Expand(src)
		if !v.Static || strings.Contains(v.Text, "://") || hasAnyPrefix(v.Text, "git@", "github.com/") || strings.HasPrefix(v.Text, `\`) {
			continue
		}
		name := strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(v.Text, `\`, "/")), "/")
		f(i, name)
	}
}

func copySourceMissing(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	files, ok := p.Options.Listing.Files()
	if !ok {
		return
	}
	contextSources(in, cmd, func(i int, name string) {
		if _, exists := files[name]; exists || name == "" || strings.ContainsAny(name, "*?[") {
			return
		}
		if p.Options.Ignore != nil {
			if ignored, _ := p.Options.Ignore.Ignores(name); ignored {
				return // CopyIgnoredFile reports it
			}
		}
		dir := path.Dir(name)
		for parent := dir; parent != "."; parent = path.Dir(parent) {
			if mode, ok := files[parent]; ok && mode&fs.ModeSymlink != 0 {
				return
			}
		}
		word := cmd.(*instructions.Copy).Sources[i]
		f := p.Report(word.Text.Range(), "the context has no %s", name)
		if match, ok := suggest.Near(path.Base(name), p.Options.Listing.Names(dir)); ok {
			f.Hint = "did you mean " + path.Join(dir, match) + "?"
		}
	})
}

func copyLeaksFiles(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	files, ok := p.Options.Listing.Files()
	if !ok {
		return
	}
	contextSources(in, cmd, func(i int, name string) {
		if mode, exists := files[name]; name != "" && (!exists || !mode.IsDir()) {
			return
		}
		found := map[string]bool{}
		for file, mode := range files {
			below, inside := strings.CutPrefix(file, name+"/")
			if name == "" {
				below, inside = file, true
			}
			if inside {
				if leak := leakOf(below, mode); leak != "" {
					found[leak] = true
				}
			}
		}
		if len(found) > 0 {
			word := cmd.(*instructions.Copy).Sources[i]
			p.Report(word.Text.Range(), "the directory contains %s (list them in .dockerignore)", strings.Join(slices.Sorted(maps.Keys(found)), ", "))
		}
	})
}

// leakOf returns the part of a path that should not be in an image, or "".
func leakOf(name string, mode fs.FileMode) string {
	dir := ""
	for part := range strings.SplitSeq(name, "/") {
		if is(part, ".git", "node_modules", ".aws", ".ssh", ".terraform") && (mode.IsDir() || dir+part != name) {
			return dir + part
		}
		dir += part + "/"
	}
	base := path.Base(name)
	if mode.IsDir() || strings.HasSuffix(base, ".example") {
		return ""
	}
	if hasAnySuffix(base, ".pem", ".p12", ".pfx") && !isTrusted(name) {
		return name
	}
	if is(base, ".env", "id_rsa", "id_ed25519", "id_ecdsa", ".npmrc", ".pypirc", ".netrc", "kubeconfig") || strings.HasPrefix(base, ".env.") && !hasAnySuffix(base, ".sample", ".template", ".dist", ".test") {
		return name
	}
	return ""
}

// isTrusted reports whether a file of keys probably has only certificates, or is made for tests.
func isTrusted(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"cert", "ca.pem", "-ca", "ca-", "chain", "public", "pub.", "test", "example"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// installer describes a command that installs the packages of a list.
type installer struct {
	list  string // the file with the packages
	match func(*script.Command) bool
}

// installers returns the commands that install packages.
func installers() []installer {
	sub := func(program string, subs ...string) func(*script.Command) bool {
		return func(c *script.Command) bool {
			return c.Name == program && len(c.Args) > 0 && is(c.Args[0].Value, subs...) && !(len(c.Args) > 1 && !strings.HasPrefix(c.Args[1].Value, "-"))
		}
	}
	return []installer{
		{"package.json", sub("npm", "ci", "install", "i")},
		{"package.json", sub("pnpm", "install", "i")},
		{"package.json", func(c *script.Command) bool {
			return c.Name == "yarn" && (len(c.Args) == 0 || is(c.Args[0].Value, "install"))
		}},
		{"requirements.txt", func(c *script.Command) bool {
			a, _ := pip(c)
			if a == nil || a.Sub() != "install" {
				return false
			}
			f := a.Flag("-r", "--requirement")
			return f != nil && path.Base(f.Value) == "requirements.txt"
		}},
		{"Gemfile", sub("bundle", "install")},
		{"go.mod", func(c *script.Command) bool {
			return c.Name == "go" && len(c.Args) > 1 && c.Args[0].Value == "mod" && c.Args[1].Value == "download"
		}},
		{"composer.json", sub("composer", "install")},
	}
}

func copyBeforeInstall(p *lint.Pass, st *lint.Stage) {
	files, ok := p.Options.Listing.Files()
	if !ok {
		return
	}
	var whole *lint.Instruction
	for _, in := range st.Instructions {
		contextSources(in, in.Command, func(_ int, name string) {
			if name == "" && whole == nil && !in.Syntax.Rng.Text().IsZero() {
				whole = in
			}
		})
		if whole == nil {
			// A list that is copied on its own shows that the order is on purpose.
			if c, ok := in.Command.(*instructions.Copy); ok && c.From.Value == "" && len(c.Sources) > 0 {
				for _, i := range installers() {
					if strings.Contains(in.Syntax.Rng.String(), i.list) || strings.Contains(in.Syntax.Rng.String(), "*") {
						return
					}
				}
			}
			continue
		}
		for _, c := range in.Commands() {
			for _, i := range installers() {
				if _, exists := files[i.list]; exists && i.match(c) {
					f := p.Report(whole.Syntax.Rest.Range(), "each change of a file installs the packages again (copy %s first)", i.list)
					f.Related = append(f.Related, diag.Related{Range: c.Range(), Message: "packages are installed here"})
					return
				}
			}
		}
	}
}
