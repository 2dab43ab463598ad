package plan

import (
	"context"
	"errors"
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/parser"
	"slipway/source"
)

// addTriggers inserts the ONBUILD triggers of the base before the instructions of the
// stage st. It returns the stages that the triggers read. Only the first call for a
// stage has an effect.
func (b *builder) addTriggers(ctx context.Context, st *Stage) (used []*Stage, err error) {
	if st.Replaced != nil {
		st.Image.Config.OnBuild = nil
	}
	own := b.draft(st)
	if own.triggersAdded || st.Replaced != nil {
		return nil, nil
	}
	own.triggersAdded = true
	defer b.enter(st.Scope)()
	triggers := st.Image.Config.OnBuild
	if f, ok := st.Base.(*FromStage); ok {
		triggers = nil
		for _, c := range b.draft(f.Stage).commands {
			if o, ok := c.Command.(*instructions.Onbuild); ok {
				triggers = append(triggers, o.Expression)
			}
		}
	}
	st.Image.Config.OnBuild = nil
	if d := b.triggerLoop(st, triggers); d != nil {
		return nil, d
	}
	var commands []boundCommand
	for _, t := range triggers {
		first, last := st.Location.Lines()
		b.charge(perTrigger + len(t) + perEntry*(last-first))
		if d := b.tooLarge(own.instruction); d != nil {
			return nil, d
		}
		c, d := parseTrigger(t)
		if d == nil {
			bound, err := b.bind(ctx, st, c, st.Location, own.instruction)
			if err != nil {
				return nil, triggerError(err, own.instruction)
			}
			bound.onbuild = true
			b.referInTrigger(st, bound.sources)
			commands = append(commands, bound)
			for _, src := range bound.sources {
				if src.Syntax == nil {
					b.draft(src).origin = st
				}
			}
			used = append(used, bound.sources...)
		}
		if d != nil {
			return nil, inDockerfile(d, own.instruction)
		}
	}
	own.commands = append(commands, own.commands...)
	own.triggers = len(commands)
	st.Total += len(commands)
	return used, nil
}

// triggerLoop returns an error if the triggers of an image need the image itself,
// directly or through other images. Upstream looks up such an image endlessly.
func (b *builder) triggerLoop(st *Stage, triggers []string) *diag.Diagnostic {
	if len(triggers) == 0 {
		return nil
	}
	for o := b.draft(st).origin; o != nil; o = b.draft(o).origin {
		if o.BaseName == st.BaseName {
			name, _, _ := strings.Cut(st.BaseName, "@")
			return diag.Errorf(b.draft(st).instruction, "ONBUILD triggers of %s: they depend on the image itself (remove the trigger that refers to it)", name)
		}
	}
	return nil
}

// parseTrigger parses the text of a trigger. The escape character is always \, even if
// the Dockerfile sets another escape character.
func parseTrigger(expr string) (instructions.Command, *diag.Diagnostic) {
	f, diags := parser.Parse(source.NewFile("ONBUILD", []byte(expr)))
	if len(diags) > 0 && diags.Err() != nil {
		return nil, firstError(diags)
	}
	list := f.Instructions()
	if len(list) != 1 {
		return nil, diag.Errorf(source.Range{}, "onbuild trigger should be a single expression")
	}
	c, d := instructions.ParseOne(list[0])
	if d != nil {
		return nil, d
	}
	if _, from := c.(*instructions.From); from {
		return nil, diag.Errorf(source.Range{}, "*instructions.Stage is not a command type")
	}
	return c, nil
}

// firstError returns the first diagnostic with the severity Error, or nil.
func firstError(l diag.List) *diag.Diagnostic {
	for _, d := range l {
		if d.Severity == diag.Error {
			return d
		}
	}
	return nil
}

// triggerError returns err, an error about the text of a trigger, with the range r in the
// Dockerfile.
func triggerError(err error, r source.Range) error {
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		return inDockerfile(d, r)
	}
	return err
}

// inDockerfile returns a copy of the diagnostic d, which is about the text of a trigger.
// The range of the copy is r, a range in the Dockerfile.
func inDockerfile(d *diag.Diagnostic, r source.Range) *diag.Diagnostic {
	c := *d
	c.Range, c.Context, c.Related = r, r, nil
	return &c
}
