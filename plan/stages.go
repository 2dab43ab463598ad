package plan

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/platforms"

	"slipway/diag"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/parser"
)

// scratch is the name of the empty base image.
const scratch = "scratch"

// collectStages adds each stage of the file to the plan. It expands the base and the platform
// of the stage, and looks up the named context that replaces the stage. If the base is an
// earlier stage, collectStages links the two stages.
func collectStages(ctx context.Context, b *builder) error { return b.collect(ctx) }

// collect implements collectStages for the current Dockerfile.
func (b *builder) collect(ctx context.Context) error {
	for i, syntax := range b.current.Dockerfile.Stages {
		st := &Stage{
			Index:    len(b.Stages),
			Scope:    b.current,
			Name:     syntax.Name,
			Syntax:   syntax,
			Used:     &Paths{},
			Context:  &Paths{},
			Location: syntax.From.In.Rng,
		}
		d := &draft{instruction: st.Location, baseName: syntax.From.Base.Text.Range()}
		if err := b.expandFrom(ctx, st); err != nil {
			return withRange(st.Location, err)
		}
		if b.current.isOther() {
			b.addOther(st, d, i)
			continue
		}
		if st.Name != "" {
			nc, err := b.namedContext(ctx, st.Name, st)
			if err != nil {
				return err
			}
			if nc != nil {
				st.Replaced = nc
				b.add(st, d)
				st.Base = nil // loadBases sets it to the context
				continue
			}
		} else {
			st.Name = fmt.Sprintf("stage-%d", i)
		}
		b.add(st, d)
		st.Total = countSteps(st)
		st.NoCache = b.opt.NoCache.Has(syntax.Name)
	}
	return nil
}

// add appends the stage st to the plan. If the base of st is an earlier stage, add links the
// two stages. A base name with upper-case letters does not match a stage, because stage names
// are stored in lower case.
func (b *builder) add(st *Stage, d *draft) {
	st.Index = len(b.Stages)
	b.Stages, b.drafts = append(b.Stages, st), append(b.drafts, d)
	b.current.stages = append(b.current.stages, st)
	if base, ok := b.current.byName[st.BaseName]; ok && st.Base == nil {
		st.Base = &FromStage{Stage: base}
		if st.Syntax != nil {
			b.refer(st.Syntax.From, st.Syntax.From.Base, base)
		}
	}
	if st.Syntax != nil && st.Syntax.Name != "" {
		b.current.byName[st.Syntax.Name] = st
	}
}

// countSteps returns the number of steps of a stage: the pull of the base image, and each
// instruction that may change files. The progress output shows it as n in the name "[stage
// i/n]" of each step.
func countSteps(st *Stage) int {
	n := 0
	if st.BaseName != scratch && st.Base == nil {
		n++
	}
	for _, c := range st.Syntax.Commands {
		if isStep(c) {
			n++
		}
	}
	return n
}

// isStep reports whether an instruction counts as a step, because it may change files.
func isStep(c instructions.Command) bool {
	switch c.(type) {
	case *instructions.Copy, *instructions.Run, *instructions.Workdir:
		return true
	default: // changes the config only
		return false
	}
}

// expandFrom expands the base and the platform in the FROM of the stage st.
func (b *builder) expandFrom(ctx context.Context, st *Stage) error {
	from := st.Syntax.From
	res, d := b.word(b.current.expand, from.Base, b.current.Globals)
	b.lowerMapped(from, from.Base, res)
	b.current.Froms = append(b.current.Froms, From{Syntax: st.Syntax, Base: Expansion{from.Base, res}})
	if d != nil {
		return d
	}
	if res.Value == "" {
		return b.current.hintUnset(diag.Errorf(from.Base.Text.Range(), "base name (%s) should not be blank", from.Base.Value), res.Unmatched)
	}
	st.BaseName = res.Value
	other, err := b.otherStage(ctx, from, from.Base)
	if err != nil {
		return err
	}
	if other != nil {
		st.BaseName, st.Base = other.Name, &FromStage{Stage: other}
	}
	b.lowerValue(from, from.Base, res)
	if from.Platform.Value == "" {
		return nil
	}
	if d := b.expandPlatform(st, from.Platform); d != nil {
		return d
	}
	return nil
}

// expandPlatform expands and parses the value of --platform in the FROM of the stage st.
func (b *builder) expandPlatform(st *Stage, w parser.Word) *diag.Diagnostic {
	res, d := b.word(b.current.expand, w, b.current.Globals)
	b.lowerMapped(st.Syntax.From, w, res)
	b.lowerValue(st.Syntax.From, w, res)
	b.current.Froms[len(b.current.Froms)-1].Platform = &Expansion{w, res}
	if d != nil {
		d.Message = fmt.Sprintf("failed to process arguments for platform %s: %s", res.Value, d.Message)
		return d
	}
	if res.Value == "" {
		return b.current.hintUnset(diag.Errorf(w.Text.Range(), "empty platform value from expression %s%s", w.Value, b.suggestGlobal(res.Unmatched)), res.Unmatched)
	}
	p, err := platforms.Parse(res.Value)
	if err != nil {
		return b.current.hintUnset(diag.Errorf(w.Text.Range(), "failed to parse platform %s: %w%s", w.Value, err, b.suggestGlobal(res.Unmatched)), res.Unmatched)
	}
	st.Platform = &p
	return nil
}

// namedContext looks up the named context with the given name for the platform of the
// stage st or, if that is unset, for the target platform. It returns nil if the context
// does not exist, and for the reserved names scratch and context.
func (b *builder) namedContext(ctx context.Context, name string, st *Stage) (NamedContext, error) {
	if strings.EqualFold(name, scratch) || strings.EqualFold(name, "context") {
		return nil, nil
	}
	p := st.Platform
	if p == nil {
		p = b.opt.Platform
	}
	return b.opt.Resolver.Context(ctx, name, p)
}

// didYouMean returns " (did you mean X?)", where X is the element of options that is most
// similar to name. If no element is similar, it returns "".
func didYouMean(name string, options []string) string {
	return suggest.Hint(name, options, true)
}
