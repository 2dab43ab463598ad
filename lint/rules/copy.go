package rules

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/lint"
	"slipway/lint/script"
	"slipway/parser"
	"slipway/plan"
)

// copyRules returns the rules about COPY and ADD.
func copyRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "ArchiveCopiedThenExtracted", Code: "DL3010", Severity: diag.Info, Hadolint: diag.Info,
			Summary: "ADD should extract archives of the context",
			Checks:  lint.Checks{Stage: archiveCopied},
		},
		{
			Name: "AddInsteadOfCopy", Code: "DL3020", Severity: diag.Warning, Hadolint: diag.Error,
			Summary: "COPY should copy files and directories, not ADD",
			Checks:  lint.Checks{Instruction: addInsteadOfCopy},
		},
		{
			Name: "CopyManyNeedsSlash", Code: "DL3021", Severity: diag.Error, Hadolint: diag.Error,
			Summary: "The destination of several sources should end with /",
			Checks:  lint.Checks{Instruction: copyManyNeedsSlash},
		},
		{
			Name: "CopyFromUnknownStage", Code: "DL3022", Severity: diag.Info, Hadolint: diag.Warning,
			Summary: "--from should name a stage, a context, or an image with a tag",
			Checks:  lint.Checks{File: copyFromUnknownStage},
		},
		{
			Name: "CopyToRelativePath", Code: "DL3045", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "A relative destination of COPY needs a WORKDIR",
			Checks:  lint.Checks{Instruction: copyToRelativePath},
		},
		{
			Name: "CopyWholeFilesystem", Code: "DL3067", Severity: diag.Warning, Hadolint: diag.Warning,
			Summary: "COPY should not copy the whole file system of another image",
			Checks:  lint.Checks{Instruction: copyWholeFilesystem},
		},
	}
}

// archive returns the suffix of an archive's name. tarball reports whether ADD unpacks files
// with this suffix; it does not unpack single compressed files.
func archive(name string) (suffix string, tarball bool) {
	name = strings.Trim(name, `"'`)
	for _, s := range []string{".tar", ".tar.Z", ".tar.bz2", ".tar.gz", ".tar.lz", ".tar.lzma", ".tar.xz", ".tar.zst", ".tZ", ".tb2", ".tbz", ".tbz2", ".tgz", ".tlz", ".tpz", ".txz"} {
		if strings.HasSuffix(name, s) {
			return s, true
		}
	}
	for _, s := range []string{".Z", ".bz2", ".gz", ".lz", ".lzma", ".xz"} {
		if strings.HasSuffix(name, s) {
			return s, false
		}
	}
	return "", false
}

func archiveCopied(p *lint.Pass, st *lint.Stage) {
	for _, in := range st.Instructions {
		c, ok := in.Command.(*instructions.Copy)
		if !ok || c.Add || c.From.Value != "" || in.Onbuild {
			continue
		}
		for _, src := range c.Sources {
			v := in.Expand(src)
			suffix, tarball := archive(v.Text)
			if _, t := archive(in.Expand(c.Dest).Text); len(c.Sources) == 1 && t {
				suffix, tarball = ".tar", true
			}
			if suffix != "" && v.Static && extracted(st, in, []string{path.Base(v.Text), path.Base(in.Expand(c.Dest).Text)}, tarball) {
				p.Report(src.Text.Range(), "the archive is copied, then extracted (ADD does both without a layer for the archive)")
			}
		}
	}
}

// extracted reports whether a RUN after an instruction extracts a file with one of the names.
func extracted(st *lint.Stage, after *lint.Instruction, names []string, tarball bool) bool {
	for c := range st.Commands() {
		if c.Word.Range.Start < after.Syntax.Rng.End || !extracts(c, tarball) {
			continue
		}
		for _, a := range c.Args {
			if _, ext := archive(a.Value); a.Static && is(path.Base(a.Value), names...) && (ext || !tarball || strings.Contains(a.Value, ".")) {
				return true
			}
		}
	}
	return false
}

// extracts reports whether a command extracts an archive.
func extracts(c *script.Command, tarball bool) bool {
	switch c.Name {
	case "tar", "bsdtar", "gtar":
		for i, a := range c.Args {
			switch {
			case is(a.Value, "--extract", "--get"):
				return true
			case strings.HasPrefix(a.Value, "--"):
			case (i == 0 || strings.HasPrefix(a.Value, "-")) && strings.ContainsRune(a.Value, 'x'):
				return true
			}
		}
	case "unzip", "gunzip", "bunzip2", "unlzma", "unxz", "zgz", "uncompress", "zcat", "gzcat":
		return tarball
	}
	return false
}

func addInsteadOfCopy(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || !c.Add || c.Unpack != nil || c.KeepGit != nil || c.Checksum.Value != "" || len(c.Sources) == 0 {
		return
	}
	step := in.Visit
	for i, src := range c.Sources {
		v := in.Expand(src)
		suffix, _ := archive(v.Text)
		if !v.Static || suffix != "" || strings.Contains(v.Text, "://") || hasAnyPrefix(v.Text, "git@", "github.com/") || hasAnySuffix(v.Text, ".git", ".zst") {
			return
		}
		if step == nil {
			continue
		}
		if s, ok := step.Step.(*plan.Copy); ok && i < len(s.Sources) {
			if _, local := s.Sources[i].(*plan.CopyTree); !local {
				return
			}
		}
	}
	keyword := c.In.Keyword.Range()
	text := "COPY"
	if keyword.String() == "add" {
		text = "copy"
	}
	p.Report(keyword, "ADD also downloads and unpacks, which these sources do not need (use COPY)").
		Fix("use COPY", false, lint.Replace(keyword, text))
}

func copyManyNeedsSlash(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || c.Parents {
		return
	}
	dest := in.Expand(c.Dest)
	if !dest.Static || dest.Text == "" || dest.Text == "." || hasAnySuffix(dest.Text, "/", "/.", `\`) {
		return
	}
	fix := func(f *lint.Finding) {
		if c.Dest.Text.String() == c.Dest.Value && !strings.ContainsAny(c.Dest.Value, `"'`) {
			f.Fix("append /", false, lint.InsertAfter(c.Dest.Text.Range(), "/"))
		}
	}
	switch {
	case len(c.Sources)+len(c.Inline) > 1:
		if !allDirectories(p, in, c) {
			fix(p.Report(c.Dest.Text.Range(), "several sources need a directory as the destination (append /)"))
		}
	case len(c.Sources) == 1 && strings.ContainsAny(c.Sources[0].Value, "*?") && !strings.Contains(c.Sources[0].Value, "://"):
		if strings.Contains(path.Base(dest.Text), ".") && path.Ext(dest.Text) == path.Ext(c.Sources[0].Value) {
			return // COPY package*.json package.json
		}
		f := p.Report(c.Dest.Text.Range(), "if the wildcard matches one file, the file gets the name %s; if it matches several, %s is a directory (append /)", path.Base(dest.Text), path.Base(dest.Text)).Aliased("")
		if f.Severity == diag.Error {
			f.Severity = diag.Warning
		}
		fix(f)
	}
}

// allDirectories reports whether the sources of a COPY are known to be directories, whose
// content is copied.
func allDirectories(p *lint.Pass, in *lint.Instruction, c *instructions.Copy) bool {
	files, ok := p.Options.Listing.Files()
	if !ok || c.From.Value != "" || len(c.Inline) > 0 {
		return false
	}
	for _, src := range c.Sources {
		name := strings.Trim(path.Clean(in.Expand(src).Text), "/")
		if mode, exists := files[name]; name != "." && (!exists || !mode.IsDir()) {
			return false
		}
	}
	return true
}

func copyFromUnknownStage(p *lint.Pass) {
	if p.File.Plan == nil {
		return
	}
	var names []string
	for _, st := range p.File.Dockerfile.Stages {
		if st.Name != "" {
			names = append(names, st.Name)
		}
	}
	for _, st := range p.File.Plan.Stages {
		for _, e := range st.Deps {
			name := e.At.String()
			if e.To.Syntax != nil || e.To.Replaced != nil || strings.ContainsAny(name, "/:@$") || name == "" || p.Options.Contexts[name] || e.At.File != p.File.Syntax.Source {
				continue
			}
			f := p.Report(e.At, "no earlier stage is named %s, so that it is the image %s:latest", name, name)
			if near, ok := suggest.Near(strings.ToLower(name), names); ok {
				f.Severity = min(f.Severity, diag.Warning)
				f.Hint = "did you mean " + near + "?"
				f.Fix("use the stage "+near, false, lint.Replace(e.At, near))
			}
		}
	}
}

func copyToRelativePath(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || c.Add || in.Visit == nil || in.Visit.Before.OwnDir {
		return
	}
	dest := in.Expand(c.Dest)
	text := strings.Trim(dest.Text, `"`)
	if text == "" || hasAnyPrefix(text, "/", `\`) || len(text) > 1 && text[1] == ':' || strings.HasPrefix(c.Dest.Value, "$") && !dest.Static {
		return
	}
	if dir, known := stageDir(in.Stage); known && dir != "/" {
		return
	}
	if in.Visit.Before.Dir != "/" {
		return
	}
	for _, earlier := range in.Stage.Instructions[:in.Index] {
		if _, ok := earlier.Command.(*instructions.Workdir); ok {
			return // ONBUILD WORKDIR
		}
	}
	p.Report(c.Dest.Text.Range(), "the destination %s is relative to the directory of the base image (set WORKDIR)", text)
}

func copyWholeFilesystem(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || c.From.Value == "" || len(c.Sources) != 1 || !isRootDir(c.Sources[0]) || !isRootDir(c.Dest) || len(c.Exclude) > 0 {
		return
	}
	if in.Stage.Plan != nil {
		if _, scratch := in.Stage.Plan.Base.(plan.Scratch); scratch {
			first := true
			for _, earlier := range in.Stage.Instructions[:in.Index] {
				switch earlier.Command.(type) {
				case *instructions.Copy, *instructions.Run, *instructions.Workdir:
					first = false
				default:
				}
			}
			if first {
				return
			}
		}
	}
	p.Report(c.In.Rest.Range(), "the whole file system of %s overwrites the files of this stage", c.From.Value)
}

// isRootDir reports whether a path is the root directory.
func isRootDir(w parser.Word) bool { return is(w.Value, "/", "/.", "/*", "./") && w.Value[0] == '/' }
