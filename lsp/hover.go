package lsp

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"slipway/lint"
	"slipway/parser"
	"slipway/plan"
)

// hover describes the name, the keyword or the flag at a position.
func (s *server) hover(ctx context.Context, snap *snapshot, p positionParams) (any, error) {
	x, at := snap.placeAt(ctx, p.Position)
	switch {
	case at != nil && at.isStage():
		return hoverResult{markdown(x.describeStage(at)), snap.spanRange(at.span)}, nil
	case at != nil:
		return hoverResult{markdown(snap.describeVariable(x, at)), snap.spanRange(at.span)}, nil
	case x.file.Syntax == nil:
		return nil, nil
	}
	offset := snap.mapper.offset(p.Position)
	if rule, at := snap.ruleAt(offset); rule != nil {
		return hoverResult{markdown(describeRule(rule)), snap.spanRange(at)}, nil
	}
	for _, in := range x.file.Syntax.Instructions() {
		for ; in != nil; in = triggerOf(in) {
			keyword := strings.ToUpper(in.Keyword.String())
			if k := rangeSpan(in.Keyword.Range()); k.start <= offset && offset <= k.end && x.keywordHelp(keyword) != "" {
				return hoverResult{markdown(x.keywordHelp(keyword)), snap.spanRange(k)}, nil
			}
			for _, f := range in.Flags {
				k := rangeSpan(f.NameRange)
				if text := x.flagHelp(keyword, f.Name); k.start <= offset && offset <= k.end && text != "" {
					return hoverResult{markdown("`--" + f.Name + "`: " + text), snap.spanRange(k)}, nil
				}
			}
		}
	}
	return nil, nil
}

// triggerOf returns the instruction after ONBUILD, or nil.
func triggerOf(in *parser.Instruction) *parser.Instruction {
	if sub, ok := in.Args.(*parser.Sub); ok {
		return sub.Instruction
	}
	return nil
}

// markdown returns a text for the client.
func markdown(text string) markup { return markup{"markdown", text} }

// code returns a text in the form of code in Markdown.
func code(text string) string {
	fence := "`"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	if len(fence) > 1 {
		text = " " + text + " "
	}
	return fence + text + fence
}

// describeStage returns a description of a stage: its bases and its uses.
func (x *index) describeStage(p *place) string {
	st := x.file.Stages[p.stage]
	var b strings.Builder
	name := st.Syntax.Name
	if name == "" {
		name = fmt.Sprint(p.stage)
	}
	fmt.Fprintf(&b, "stage %s, number %d, line %d", code(name), p.stage, st.Syntax.From.In.Rng.Position().Line)
	if st.Foreign {
		fmt.Fprintf(&b, " of %s", code(path.Base(st.Syntax.From.In.Rng.File.Name)))
	}
	for base := st; base != nil; base = base.Base {
		fmt.Fprintf(&b, "\n\nfrom %s", code(base.Syntax.From.Base.Value))
	}
	var lines []string
	for _, o := range x.places {
		if o.role == usesStage && o.stage == p.stage {
			lines = append(lines, fmt.Sprint(x.line(o)))
		}
	}
	lines = slices.Compact(lines)
	switch len(lines) {
	case 0:
		b.WriteString("\n\nno instruction uses it")
	case 1:
		b.WriteString("\n\nused in line " + lines[0])
	default:
		b.WriteString("\n\nused in lines " + strings.Join(lines, ", "))
	}
	return b.String()
}

// line returns the line of a place.
func (x *index) line(p *place) int { return x.file.Source.Position(p.start).Line }

// describeVariable returns the value of a variable at a place, and where it comes from.
func (s *snapshot) describeVariable(x *index, p *place) string {
	var b strings.Builder
	value, set, known := s.value(x, p)
	switch {
	case !known:
		b.WriteString(code(p.name))
	case set:
		fmt.Fprintf(&b, "%s = %s", code(p.name), code(value))
	default:
		fmt.Fprintf(&b, "%s is not set here", code(p.name))
	}
	d := p.decl
	if p.role != usesVariable {
		d = p
	}
	for ; d != nil; d = d.source {
		keyword := "ARG"
		switch {
		case d.let:
			keyword = "LET"
		case d.role == declaresEnv:
			keyword = "ENV"
		}
		where := ""
		if d.scope == global {
			where = " above the first FROM"
		}
		fmt.Fprintf(&b, "\n\n%s in line %d%s", keyword, x.line(d), where)
	}
	if origin := p.origin(); origin != nil && origin.role == declaresArg && s.rules.Options.BuildArgs != nil {
		if _, given := s.rules.Options.BuildArgs[p.name]; given {
			b.WriteString("\n\nthe configuration gives the build argument")
		}
	}
	if p.origin() == nil {
		switch {
		case slices.Contains(x.predefined, p.name):
			b.WriteString("\n\npredefined build argument")
		case set:
			b.WriteString("\n\nfrom the base image")
		}
	}
	return b.String()
}

// value returns the value of a variable: at a use, or after a declaration. known is false if the
// instruction was not evaluated.
func (s *snapshot) value(x *index, p *place) (value string, set, known bool) {
	s.values.Lock()
	defer s.values.Unlock()
	if x.file.Plan == nil {
		return "", false, false
	}
	if p.scope == global {
		value, set = x.file.Plan.Globals.Lookup(p.name)
		return value, set, true
	}
	env, ok := environment(p.in, p.role != usesVariable)
	if !ok {
		return "", false, false
	}
	value, set = env.Lookup(p.name)
	return value, set, true
}

// environment returns the variables before or after an instruction.
func environment(in *lint.Instruction, after bool) (env plan.Env, ok bool) {
	if in == nil || in.Visit == nil {
		return env, false
	}
	if !after {
		return in.Visit.Before.Env, true
	}
	for _, next := range in.Stage.Instructions[in.Index+1:] {
		if next.Visit != nil {
			return next.Visit.Before.Env, true
		}
	}
	return in.Stage.Plan.Final.Env, true
}
