package plan

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// chooseTarget sets the target of the plan: the stage that Options.Target names or, if that is
// empty, the last stage of the file.
func chooseTarget(_ context.Context, b *builder) error {
	if b.opt.Target == "" {
		stages := b.explicit()
		b.Target = stages[len(stages)-1]
		return nil
	}
	b.Target = b.stageNamed(b.opt.Target)
	if b.Target == nil {
		return b.withOmitted(diag.Errorf(source.Range{}, "target stage %q could not be found%s", b.opt.Target, didYouMean(b.opt.Target, b.current.names())), strings.ToLower(b.opt.Target))
	}
	return nil
}

// reach marks stages as needed by the target: the given stages, and all stages that they read
// directly or indirectly. It returns the newly marked stages in the order of the plan.
func (b *builder) reach(todo []*Stage) []*Stage {
	var fresh []*Stage
	for len(todo) > 0 {
		st := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		d := b.draft(st)
		if d.needed {
			continue
		}
		d.needed, st.Reachable = true, true
		fresh = append(fresh, st)
		todo = append(todo, stagesReadBy(st)...)
	}
	slices.SortFunc(fresh, func(a, b *Stage) int { return cmp.Compare(a.Index, b.Index) })
	return fresh
}

// readBy returns the given stages and all stages that they read directly or indirectly.
func (*builder) readBy(todo []*Stage) []*Stage {
	seen := map[*Stage]bool{}
	var list []*Stage
	todo = slices.Clone(todo)
	for len(todo) > 0 {
		st := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[st] {
			seen[st] = true
			list = append(list, st)
			todo = append(todo, stagesReadBy(st)...)
		}
	}
	return list
}

// stagesReadBy returns the stages that the stage st reads directly: its base and the
// stages in its edges.
func stagesReadBy(st *Stage) []*Stage {
	var list []*Stage
	if f, ok := st.Base.(*FromStage); ok {
		list = append(list, f.Stage)
	}
	for _, e := range st.Deps {
		list = append(list, e.To)
	}
	return list
}

// suggestGlobal returns a suggestion such as " (did you mean X?)" if an unset variable
// resembles the name X of a global ARG, else "". It considers the variables in order.
func (b *builder) suggestGlobal(unknown []shell.Use) string {
	for _, u := range unknown {
		if s := didYouMean(u.Name, b.current.Globals.Keys()); s != "" {
			return s
		}
	}
	return ""
}
