package rules

import (
	"path"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/lint/script"
	"slipway/plan"
	"slipway/source"
)

// layerRules returns the rules about layers, modes of files, and mounts.
func layerRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "DeletedInLaterLayer", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A file that is copied should not be deleted in a later layer",
			Checks:  lint.Checks{Stage: deletedInLaterLayer},
		},
		{
			Name: "ChmodAfterCopy", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "COPY should set the mode of the files that it copies",
			Checks:  lint.Checks{Stage: chmodAfterCopy},
		},
		{
			Name: "WorldWritable", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "Files should not be writable for everyone",
			Checks:  lint.Checks{Instruction: worldWritable},
		},
		{
			Name: "AddWithoutChecksum", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "ADD of a URL should have a checksum",
			Checks:  lint.Checks{Instruction: addWithoutChecksum},
		},
		{
			Name: "AptCacheNotLocked", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "A cache mount of apt should be locked",
			Checks:  lint.Checks{Instruction: aptCacheNotLocked},
		},
	}
}

// copied is a file that a COPY or ADD creates.
type copied struct {
	path string // absolute
	by   *lint.Instruction
}

// copiedFiles returns the files that the COPY and ADD instructions of a stage create, as far as
// their paths are certain.
func copiedFiles(st *lint.Stage) []copied {
	var list []copied
	for _, in := range st.Instructions {
		c, ok := in.Command.(*instructions.Copy)
		if !ok || in.Visit == nil || c.Parents {
			continue
		}
		step, ok := in.Visit.Step.(*plan.Copy)
		if !ok {
			continue
		}
		for _, src := range c.Sources {
			v := in.Expand(src)
			name := path.Base(v.Text)
			if !v.Static || strings.ContainsAny(v.Text, "*?[") || is(name, ".", "..", "/") || strings.Contains(v.Text, "://") {
				continue
			}
			if strings.HasSuffix(step.Dest, "/") {
				list = append(list, copied{path.Join(step.Dest, name), in})
			} else if len(c.Sources) == 1 {
				list = append(list, copied{step.Dest, in})
			}
		}
	}
	return list
}

// absolute returns the absolute path of an operand of a command in a RUN.
func absolute(in *lint.Instruction, operand string) string {
	if path.IsAbs(operand) || in == nil || in.Visit == nil {
		return path.Clean(operand)
	}
	return path.Join(in.Visit.Before.Dir, operand)
}

func deletedInLaterLayer(p *lint.Pass, st *lint.Stage) {
	if !st.Shipped {
		return
	}
	files := copiedFiles(st)
	if len(files) == 0 {
		return
	}
	for c := range st.Commands() {
		if c.Name != "rm" || !c.Top {
			continue
		}
		in := p.File.InstructionOf(c.Script)
		for _, w := range c.Arguments(script.Usage{}).Operands {
			at := absolute(in, w.Value)
			for _, f := range files {
				if f.path == at && f.by.Index < in.Index {
					d := p.Report(w.Range, "the file stays in the layer of the %s that created it (use a bind mount)", strings.ToUpper(f.by.Syntax.Keyword.String()))
					d.Related = append(d.Related, diag.Related{Range: f.by.Syntax.Keyword.Range(), Message: "created here"})
					break
				}
			}
		}
	}
}

func chmodAfterCopy(p *lint.Pass, st *lint.Stage) {
	files := copiedFiles(st)
	if len(files) == 0 {
		return
	}
	for c := range st.Commands() {
		if c.Name != "chmod" || !c.Top {
			continue
		}
		a := c.Arguments(script.Usage{})
		if len(a.Operands) != 2 || a.Opaque || len(a.Flags) > 0 {
			continue
		}
		in := p.File.InstructionOf(c.Script)
		at := absolute(in, a.Operands[1].Value)
		for _, f := range files {
			by := f.by.Command.(*instructions.Copy)
			if f.path != at || f.by.Index >= in.Index || by.Chmod.Value != "" {
				continue
			}
			mode := a.Operands[0].Value
			d := p.Report(c.Range(), "the file is stored a second time, because its mode changes (use --chmod=%s)", mode)
			d.Related = append(d.Related, diag.Related{Range: f.by.Syntax.Keyword.Range(), Message: "created here"})
			if len(in.Commands()) == 1 && len(by.Sources) == 1 && strings.Trim(mode, "01234567") == "" {
				d.Fix("use --chmod", false,
					lint.InsertAfter(by.In.Keyword.Range(), " --chmod="+mode),
					lint.Replace(in.Syntax.Rng, ""))
			}
			break
		}
	}
}

// writableMode reports whether a mode of chmod lets everyone write.
func writableMode(mode string) bool {
	if strings.Trim(mode, "01234567") == "" {
		return len(mode) >= 3 && strings.ContainsAny(mode[len(mode)-1:], "2367") && !(len(mode) == 4 && mode[0] == '1')
	}
	for part := range strings.SplitSeq(mode, ",") {
		who, what, ok := strings.Cut(part, "+")
		if ok && strings.ContainsAny(who, "ao") && strings.Contains(what, "w") && !strings.Contains(what, "t") {
			return true
		}
	}
	return false
}

func worldWritable(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	if c, ok := cmd.(*instructions.Copy); ok && c.Chmod.Value != "" {
		if v := in.Expand(c.Chmod); v.Static && writableMode(v.Text) {
			p.Report(c.Chmod.Text.Range(), "everyone can change the files")
		}
	}
	for _, c := range in.Commands() {
		if c.Name != "chmod" {
			continue
		}
		a := c.Arguments(script.Usage{})
		if len(a.Operands) > 1 && writableMode(a.Operands[0].Value) && !(a.Operands[1].Value == "/tmp") {
			p.Report(a.Operands[0].Range, "everyone can change the files")
		}
	}
}

func addWithoutChecksum(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Copy)
	if !ok || !c.Add || c.Checksum.Value != "" || in.Visit == nil {
		return
	}
	step, ok := in.Visit.Step.(*plan.Copy)
	if !ok {
		return
	}
	for i, s := range step.Sources {
		if u, ok := s.(*plan.CopyURL); ok && u.Checksum == "" && i < len(c.Sources) {
			p.Report(c.Sources[i].Text.Range(), "the download is not verified (use --checksum=sha256:…)")
		}
	}
}

func aptCacheNotLocked(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	c, ok := cmd.(*instructions.Run)
	x := in.Step()
	if !ok || x == nil || len(c.Mounts) != len(x.Mounts) {
		return
	}
	uses := false
	for _, cmd := range in.Commands() {
		uses = uses || is(cmd.Name, "apt", "apt-get", "aptitude")
	}
	if !uses {
		return
	}
	for i, m := range x.Mounts {
		target := strings.TrimSuffix(m.Target, "/")
		if m.Type != plan.MountCache || m.Sharing == "locked" || m.Sharing == "private" || !is(target, "/var/cache/apt", "/var/lib/apt", "/var/lib/apt/lists", "/var/cache/apt/archives") {
			continue
		}
		flag := c.Mounts[i].Flag
		f := p.Report(flag.ValueRange, "a concurrent build uses the cache of apt, too, and one of them fails (use sharing=locked)")
		if m.Sharing == "" && !strings.ContainsAny(flag.Text.String(), "\"'") {
			f.Fix("add sharing=locked", true, lint.InsertAfter(source.Range{File: flag.ValueRange.File, Start: flag.ValueRange.Start, End: flag.ValueRange.End}, ",sharing=locked"))
		}
	}
}
