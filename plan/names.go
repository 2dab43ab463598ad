package plan

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/instructions"
	"slipway/shell"
)

// nameSteps sets the names of all steps in the progress output. A name has the form "[platform
// stage i/n] TEXT".
func nameSteps(_ context.Context, b *builder) error {
	for _, st := range b.Stages {
		if !st.Reachable {
			continue
		}
		d := b.draft(st)
		n := &namer{b: b, st: st, index: d.idleRounds, total: st.Total - d.triggers}
		n.pull()
		n.total = st.Total
		for _, v := range st.Visits {
			n.visit(v)
		}
	}
	return nil
}

// namer creates the names in the progress output of the steps in one stage.
type namer struct {
	b     *builder
	st    *Stage
	index int
	total int
}

// pull sets the name in the progress output of the step that pulls the base image, such as
// "[stage 1/4] FROM IMAGE".
//
// Upstream: the number after the slash does not count ONBUILD triggers.
func (n *namer) pull() {
	img, ok := n.st.Base.(*FromImage)
	if !ok {
		return
	}
	s := &BaseStep{Range: n.st.Location}
	if n.st.Syntax != nil {
		s.Description = instructions.Code(n.st.Syntax.From)
	}
	n.index++
	s.Number = n.index
	s.Name = n.prefix(&img.Platform, Env{}, false) + "FROM " + img.Ref
	n.st.BaseStep = s
}

// visit sets the name of an instruction's step in the progress output. It does nothing if the
// instruction has no step.
func (n *namer) visit(v *Visit) {
	if v.Step == nil {
		return
	}
	n.index++
	info := v.Step.Info()
	platform := n.st.Platform
	if _, ok := v.Step.(*Exec); ok {
		platform = v.Before.Platform
	}
	prefix := n.prefix(platform, v.Before.Env, v.Onbuild)
	info.Name, info.Number = prefix+info.text, n.index
	if c, ok := v.Step.(*Copy); ok && c.Link {
		c.LinkName = prefix + "LINK " + info.text
	}
}

// prefix returns the bracketed part of a step's name in the progress output, such as "[stage
// 2/4] ". It returns "" for a stage without steps.
func (n *namer) prefix(p *ocispecs.Platform, env Env, onbuild bool) string {
	if n.total == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteByte('[')
	if n.b.opt.MultiPlatform && p != nil {
		b.WriteString(platforms.FormatAll(*p) + targetArrow(*p, env) + " ")
	}
	if n.st.Name != "" {
		b.WriteString(n.st.Name + " ")
	}
	// Upstream: the floating-point logarithm of 1000 is slightly less than 3, so the
	// width for 1000 steps is 3.
	width := int(1 + math.Log10(float64(n.total)))
	fmt.Fprintf(&b, "%*d/%d] ", width, n.index, n.total)
	if onbuild {
		b.WriteString("ONBUILD ")
	}
	return b.String()
}

// targetArrow returns "->" and the target platform that TARGETPLATFORM and similar
// variables in env describe. It returns "" if env has no such variables, or if the target
// platform equals p, the platform on which the step runs.
func targetArrow(p ocispecs.Platform, env Env) string {
	t, ok := targetPlatform(env)
	if !ok {
		return ""
	}
	if t.OS == "" {
		t.OS = p.OS
	}
	if t.Architecture == "" {
		t.Architecture = p.Architecture
	}
	t = platforms.Normalize(t)
	switch {
	case t.OS != p.OS:
		return "->" + platforms.FormatAll(t)
	case t.Architecture == p.Architecture:
		return ""
	case t.Variant != "":
		return "->" + t.Architecture + "/" + t.Variant
	}
	return "->" + t.Architecture
}

// targetPlatform returns the target platform that TARGETPLATFORM, TARGETOS, TARGETARCH and
// TARGETVARIANT in env describe. ok is false if these variables describe no platform.
func targetPlatform(env Env) (p ocispecs.Platform, ok bool) {
	if v, set := env.Lookup("TARGETPLATFORM"); set {
		if p, err := platforms.Parse(v); err == nil {
			return p, true
		}
	}
	for _, f := range [...]struct {
		key string
		to  *string
	}{{"TARGETOS", &p.OS}, {"TARGETARCH", &p.Architecture}, {"TARGETVARIANT", &p.Variant}} {
		if v, set := env.Lookup(f.key); set {
			*f.to, ok = v, true
		}
	}
	return p, ok
}

// title returns the text of a step in the progress output: the instruction with variables
// expanded. If the expansion fails, the text is the instruction as written.
func (e *evaluator) title(c instructions.Command) string {
	return upperFirst(expandText(e.expand, instructions.Code(c), e.b.countReads(e.state.Env)))
}

// expandText expands the variables in s. If the expansion fails, it returns s unchanged.
func expandText(x shell.Expander, s string, env shell.Env) string {
	res, err := x.Expand(s, env)
	if err != nil {
		return s
	}
	return res.Value
}

// upperFirst returns s with its first word, the keyword of an instruction, in upper case.
func upperFirst(s string) string {
	first, rest, ok := strings.Cut(s, " ")
	if !ok {
		return strings.ToUpper(s)
	}
	return strings.ToUpper(first) + " " + rest
}

// info returns the [StepInfo] of an instruction's step. The parameter text is the name of the
// step in the progress output, without the bracketed part.
func (e *evaluator) info(c instructions.Command, text string) StepInfo {
	e.b.charge(len(e.st.Name) + len(e.state.Dir) + len(text))
	return StepInfo{Description: instructions.Code(c), Range: e.visit.Range, text: text}
}
