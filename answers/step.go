package answers

import (
	"cmp"

	"slipway/instructions"
	"slipway/plan"
)

// pull describes the step that pulls the base image of a stage.
func (c *converter) pull(st *plan.Stage) *Step {
	b := st.BaseStep
	s := &Step{N: b.Number, Kind: StepPull, Text: cmp.Or(b.Description, "FROM "+st.BaseName), Progress: b.Name}
	s.File, s.Line, s.Source = c.place(b.Range)
	c.operation(s, c.of.Operation(st, nil))
	return s
}

// step describes the step of an instruction, and adds it to the stage s.
func (c *converter) step(s *Stage, st *plan.Stage, v *plan.Visit) {
	info := v.Step.Info()
	x := &Step{N: info.Number, Text: info.Description, Onbuild: v.Onbuild, Progress: info.Name}
	x.File, x.Line, x.Source = c.place(info.Range)
	switch step := v.Step.(type) {
	case *plan.Exec:
		c.exec(s, st, x, step)
	case *plan.Copy:
		c.copy(s, st, x, step, v)
	case *plan.Mkdir:
		x.Kind, x.Platform = StepWorkdir, platformOf(&step.Platform, st)
	}
	c.operation(x, c.of.Operation(st, v))
	if info.NoCache {
		x.Cache = CacheNever
	}
	s.Steps = append(s.Steps, x)
}

// operation sets the fields about LLB operations and the cache.
func (c *converter) operation(s *Step, op Operation) {
	s.Operations, s.Definition, s.Key = op.Digests, op.Definition, op.Key
	s.Cache = CacheUnknown
	if p := c.of.Prediction; p != nil && len(op.Digests) > 0 {
		if known, ok := p.Operations[op.Digests[0]]; ok {
			s.Cache, s.Content, s.Why = known.Cache, known.Content, known.Why
		}
	}
}

// exec describes a RUN.
func (c *converter) exec(s *Stage, st *plan.Stage, x *Step, e *plan.Exec) {
	x.Kind, x.Platform = StepRun, platformOf(e.State.Platform, st)
	x.Network, x.Env, x.Dir, x.User = cmp.Or(e.Network, "default"), e.State.Env.Entries(), e.State.Dir, e.State.User
	if e.Security != "sandbox" {
		x.Security = e.Security
	}
	from := map[string][]string{}
	for i := range e.Mounts {
		m := &e.Mounts[i]
		switch m.Type {
		case plan.MountSecret:
			x.Secrets = append(x.Secrets, &Given{m.ID, m.Required})
			continue
		case plan.MountSSH:
			x.SSH = append(x.SSH, &Given{cmp.Or(m.ID, "default"), m.Required})
			continue
		case plan.MountBind, plan.MountCache, plan.MountTmpfs:
		}
		x.Mounts = append(x.Mounts, &Mount{Type: string(m.Type), ID: m.ID, Target: m.Target})
		if m.Tree == nil {
			continue
		}
		if id := c.tree(*m.Tree); id != "" {
			from[id] = append(from[id], cmp.Or(relative(m.Source), "."))
			s.need(id, NeedMount, x.N)
		}
	}
	x.Reads = reads(from)
}

// copy describes a COPY or ADD.
func (c *converter) copy(s *Stage, st *plan.Stage, x *Step, e *plan.Copy, v *plan.Visit) {
	x.Kind, x.Platform = StepCopy, platformOf(&e.Platform, st)
	if i, ok := v.Command.(*instructions.Copy); ok && i.Add {
		x.Kind = StepAdd
	}
	from := map[string][]string{}
	for _, src := range e.Sources {
		id, name := "", ""
		switch src := src.(type) {
		case *plan.CopyTree:
			id, name = c.tree(src.Tree), cmp.Or(relative(src.Path), ".")
		case *plan.CopyURL:
			id, name = c.source(Source{Kind: SourceHTTP, Ref: src.URL, Pinned: src.Checksum != ""}), src.Filename
		case *plan.CopyGit:
			id, name = c.source(gitSource(src)), cmp.Or(src.SubDir, ".")
		case *plan.CopyInline:
		}
		if id != "" {
			from[id] = append(from[id], name)
			s.need(id, NeedCopy, x.N)
		}
	}
	x.Reads = reads(from)
}

// gitSource describes a git repository. The ref of a commit determines the content.
func gitSource(g *plan.CopyGit) Source {
	ref := g.Remote
	if g.Ref != "" {
		ref += "#" + g.Ref
	}
	return Source{Kind: SourceGit, Ref: ref, Pinned: g.Checksum != "" || isCommit(g.Ref)}
}

// isCommit reports whether a git ref is the full hash of a commit.
func isCommit(ref string) bool {
	if len(ref) != 40 && len(ref) != 64 {
		return false
	}
	for _, c := range ref {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
