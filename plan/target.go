package plan

import (
	"context"

	"slipway/diag"
	"slipway/shell"
	"slipway/source"
)

// target chooses the stage to build.
func target(_ context.Context, b *builder) error {
	if b.opt.Target == "" {
		b.Target = b.Stages[len(b.Stages)-1]
		return nil
	}
	b.Target = b.stageNamed(b.opt.Target)
	if b.Target == nil {
		return diag.Errorf(source.Range{}, "target stage %q could not be found%s", b.opt.Target, hint(b.opt.Target, b.names()))
	}
	return nil
}

// markReachable marks what the target needs, through FROM and --from, or
// everything if that is wanted. It returns what the target needs, in order.
func (b *builder) markReachable() []*Stage {
	for _, st := range b.Stages {
		st.Reachable = false
	}
	todo := []*Stage{b.Target}
	for len(todo) > 0 {
		st := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if st.Reachable {
			continue
		}
		st.Reachable = true
		todo = append(todo, needs(st)...)
	}
	var needed []*Stage
	for _, st := range b.Stages {
		if st.Reachable {
			needed = append(needed, st)
		}
		st.Reachable = st.Reachable || b.opt.AllStages
	}
	return needed
}

// needs returns the stages that a stage reads directly.
func needs(st *Stage) []*Stage {
	var list []*Stage
	if f, ok := st.Base.(*FromStage); ok {
		list = append(list, f.Stage)
	}
	for _, e := range st.Deps {
		list = append(list, e.To)
	}
	return list
}

// suggestGlobal names the global ARG that one of the unset variables may mean.
func (b *builder) suggestGlobal(unknown []shell.Use) string {
	for _, u := range unknown {
		if s := hint(u.Name, b.Globals.Keys()); s != "" {
			return s
		}
	}
	return ""
}
