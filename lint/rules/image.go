package rules

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// imageRules returns the rules about the images that a file refers to.
func imageRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "ImageWithoutTag", Code: "DL3006", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Images should have a tag or a digest",
			Checks:  lint.Checks{File: imageWithoutTag},
		},
		{
			Name: "ImageTagLatest", Code: "DL3007", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "Images should not have the tag latest",
			Checks:  lint.Checks{File: imageTagLatest},
		},
		{
			Name: "UntrustedRegistry", Code: "DL3026", Severity: diag.Error, Hadolint: diag.Error,
			Summary: "Images should come from trusted registries",
			Checks:  lint.Checks{File: untrustedRegistry},
		},
	}
}

// image is a reference to an image.
type image struct {
	name string // with variables expanded
	set  bool   // whether each variable in the name has a value
	at   source.Range
	from bool // whether the reference is in FROM
}

// images returns the images that FROM, --from and mounts of a file refer to. Stages, scratch and
// named contexts are no images.
func images(p *lint.Pass) []image {
	if p.File.Plan == nil {
		return nil
	}
	var list []image
	add := func(i image) {
		if i.name != "" && !strings.EqualFold(i.name, "scratch") && !p.Options.Contexts[i.name] {
			list = append(list, i)
		}
	}
	for i, f := range p.File.Plan.Froms {
		if f.Syntax.From.In.Keyword.Len() == 0 || isStage(p, f.Base.Result.Value, i) {
			continue
		}
		add(image{name: f.Base.Result.Value, set: len(f.Base.Result.Unmatched) == 0, at: f.Base.Word.Text.Range(), from: true})
	}
	for _, st := range p.File.Plan.Stages {
		for _, e := range st.Deps {
			if e.To.Syntax == nil && e.To.Replaced == nil && e.At.File == p.File.Syntax.Source {
				name := e.To.OriginalBase
				if name == "" {
					name = e.At.String()
				}
				add(image{name: name, set: true, at: e.At})
			}
		}
	}
	return list
}

// isStage reports whether one of the first n stages has the given name.
func isStage(p *lint.Pass, name string, n int) bool {
	for _, st := range p.File.Dockerfile.Stages[:min(n, len(p.File.Dockerfile.Stages))] {
		if st.Name != "" && strings.EqualFold(st.Name, name) {
			return true
		}
	}
	return false
}

// splitTag returns the tag of an image reference and whether the reference has a digest.
func splitTag(name string) (tag string, digest bool) {
	name, _, digest = strings.Cut(name, "@")
	_, tag, _ = strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	return tag, digest
}

func imageWithoutTag(p *lint.Pass) {
	for _, i := range images(p) {
		tag, digest := splitTag(i.name)
		plain := !i.from && !strings.ContainsAny(i.name, "/:@") // CopyFromUnknownStage reports it
		if i.set && tag == "" && !digest && !plain {
			p.Report(i.at, "the image %s has no tag, so that builds may use different versions", i.name)
		}
	}
}

func imageTagLatest(p *lint.Pass) {
	for _, i := range images(p) {
		if tag, digest := splitTag(i.name); tag == "latest" && !digest {
			p.Report(i.at, "the tag latest is another version with each release (use the tag of a version)")
		}
	}
}

func untrustedRegistry(p *lint.Pass) {
	trusted := p.Settings.Registries
	if len(trusted) == 0 {
		return
	}
	list := images(p)
	if d := p.File.Syntax.Directive("syntax"); d != nil {
		if ref, _, _, ok := parser.Syntax(p.File.Source.Bytes); ok {
			list = append(list, image{name: ref, set: true, at: d.Value.Range()})
		}
	}
	for _, i := range list {
		if !i.set && p.Settings.AllowUnresolved {
			continue
		}
		registry, repository := splitRegistry(i.name)
		ok := false
		for _, pattern := range trusted {
			ok = ok || i.set && matchesRegistry(pattern, registry, repository)
		}
		if !ok {
			p.Report(i.at, "the registry %s is not trusted", registry).Hint = "trusted: " + strings.Join(trusted, ", ")
		}
	}
}

// splitRegistry returns the registry of an image reference, which is docker.io by default, and
// the repository.
func splitRegistry(name string) (registry, repository string) {
	first, rest, ok := strings.Cut(name, "/")
	if ok && (strings.ContainsAny(first, ".:") || first == "localhost") {
		return first, rest
	}
	return "docker.io", name
}

// matchesRegistry reports whether a pattern such as *.example.com or example.com/team/** matches
// a registry or a repository.
func matchesRegistry(pattern, registry, repository string) bool {
	host, repo, hasRepo := strings.Cut(pattern, "/")
	if is(host, "hub.docker.com", "index.docker.io") {
		host = "docker.io"
	}
	if ok, err := path.Match(strings.ReplaceAll(host, "**", "*"), registry); !ok || err != nil {
		return false
	}
	if !hasRepo {
		return true
	}
	repository, _, _ = strings.Cut(repository, "@")
	repository, _, _ = strings.Cut(repository, ":")
	if prefix, ok := strings.CutSuffix(repo, "/**"); ok {
		return strings.HasPrefix(repository, prefix+"/")
	}
	ok, err := path.Match(repo, repository)
	return ok && err == nil
}

// stageDir returns the working directory of the base of a stage, and whether it is known.
func stageDir(st *lint.Stage) (string, bool) {
	if st.Plan == nil || !st.BaseKnown {
		return "", false
	}
	if _, scratch := st.Plan.Base.(plan.Scratch); scratch {
		return "/", true
	}
	if st.Plan.BaseImage == nil {
		return "", false
	}
	dir := st.Plan.BaseImage.Config.WorkingDir
	if dir == "" {
		dir = "/"
	}
	return dir, true
}
