package plan

import (
	"cmp"
	"slices"

	"slipway/instructions"
	"slipway/source"
)

// Outline lists the build arguments, secrets and SSH agents that a user can pass to a
// build. Each list has the order of the declarations in the file.
type Outline struct {
	Args    []OutlineArg
	Secrets []OutlineMount
	SSH     []OutlineMount
}

// OutlineArg is a build argument that the target, or a stage that the target needs,
// declares or uses.
type OutlineArg struct {
	Name  string
	Doc   string       // description from the comment above the ARG
	Value string       // value in this build; "" if it is empty or unset
	Range source.Range // range of the ARG; for an ONBUILD trigger, of the FROM
}

// OutlineMount is a secret or an SSH agent that a RUN instruction mounts.
type OutlineMount struct {
	ID       string
	Required bool
	Range    source.Range // range of the RUN; for an ONBUILD trigger, of the FROM
}

// Outline returns the outline of the target and the stages that it needs. If a stage
// declares a name several times, the outline has the last ARG, but the first mount. If
// several stages declare a name, the target takes precedence over its base. The base
// takes precedence over the stages that the target copies from or mounts. The plan must
// be complete.
func (p *Plan) Outline() Outline {
	o := outliner{
		globals: map[*Scope]map[string]globalArg{},
		from:    map[*Stage][]string{},
		visited: map[*Stage]bool{},
		args:    map[string]bool{},
		secrets: map[string]bool{},
		ssh:     map[string]bool{},
	}
	for _, s := range append(slices.Clip(p.Others), p.Scope) {
		o.globals[s] = s.globalArgs()
		s.addFromArgs(o.from)
	}
	o.stage(p.Target)
	byLine(o.out.Args, func(a OutlineArg) source.Range { return a.Range })
	byLine(o.out.Secrets, func(m OutlineMount) source.Range { return m.Range })
	byLine(o.out.SSH, func(m OutlineMount) source.Range { return m.Range })
	return o.out
}

// byLine sorts a list by source line. The callback place returns the source range of an
// element, and the first line of this range is the sort key.
func byLine[T any](list []T, place func(T) source.Range) {
	slices.SortStableFunc(list, func(a, b T) int {
		la, _ := place(a).Lines()
		lb, _ := place(b).Lines()
		return cmp.Compare(la, lb)
	})
}

// globalArg is an ARG before the first FROM, together with the names of the variables in
// its default.
type globalArg struct {
	OutlineArg
	uses []string
}

// globalArgs returns the last declaration of each global ARG by name. If a default refers to
// its own ARG, such as A=$A-x, globalArgs replaces this reference with the variables in the
// default of the previous declaration.
func (s *Scope) globalArgs() map[string]globalArg {
	args := make(map[string]globalArg, len(s.Declarations))
	for _, d := range s.Declarations {
		if d.In.Let {
			continue // build arguments do not change it
		}
		key := d.Decl.Key
		g := globalArg{OutlineArg: OutlineArg{Name: key, Doc: d.Decl.Doc, Value: d.Value, Range: d.In.In.Rng}}
		for _, name := range d.Uses {
			if name == key {
				g.uses = append(g.uses, args[key].uses...)
			} else {
				g.uses = append(g.uses, name)
			}
		}
		args[key] = g
	}
	return args
}

// addFromArgs adds to the map, for each stage of the file, the names of the variables in its
// FROM and in the FROM of its base stages. If a named context replaces a stage, the variables in
// the FROM of the stage are not included.
func (s *Scope) addFromArgs(from map[*Stage][]string) {
	byName := map[string]*Stage{}
	for i := range s.Froms {
		st, f := s.stages[i], &s.Froms[i]
		used := from[byName[f.Base.Result.Value]]
		for _, w := range []*Expansion{&f.Base, f.Platform} {
			if w == nil || st.Replaced != nil {
				continue
			}
			for _, name := range w.Result.Matched {
				if !slices.Contains(used, name) {
					used = append(used[:len(used):len(used)], name)
				}
			}
		}
		from[st] = used
		if name := st.Syntax.Name; name != "" {
			byName[name] = st
		}
	}
}

// outliner collects an outline in which each name appears once.
type outliner struct {
	globals            map[*Scope]map[string]globalArg
	from               map[*Stage][]string
	visited            map[*Stage]bool
	args, secrets, ssh map[string]bool
	out                Outline
}

// stage adds to the outline the arguments and mounts of a stage and then, depth first, of the
// stages that it needs.
func (o *outliner) stage(st *Stage) {
	if o.visited[st] {
		return
	}
	o.visited[st] = true
	own := o.ownArgs(st)
	visited := map[string]bool{}
	for _, name := range o.from[st] {
		o.arg(st, name, own, visited)
	}
	for _, c := range st.Visits {
		switch c := c.Command.(type) {
		case *instructions.Arg:
			if c.Let {
				continue
			}
			for i := range c.Args {
				o.arg(st, c.Args[i].Key, own, visited)
			}
		default: // declares no argument
		}
		if x, ok := c.Step.(*Exec); ok {
			o.mounts(x, c.Range)
		}
	}
	for _, dep := range stagesReadBy(st) {
		o.stage(dep)
	}
}

// ownArgs returns the ARGs that a stage declares, by name. It omits an ARG that inherits
// its value from a global ARG, because the outline lists the global declaration instead.
func (*outliner) ownArgs(st *Stage) map[string]OutlineArg {
	own := map[string]OutlineArg{}
	for i, v := range st.Visits {
		c, ok := v.Command.(*instructions.Arg)
		if !ok || c.Let {
			continue
		}
		after := st.Final
		if i+1 < len(st.Visits) {
			after = st.Visits[i+1].Before
		}
		for j, a := range after.Args[len(v.Before.Args):] {
			if !a.Global {
				own[a.Key] = OutlineArg{Name: a.Key, Doc: c.Args[j].Doc, Value: a.Value, Range: v.Range}
			}
		}
	}
	return own
}

// arg adds to the outline an ARG that the stage st uses. For a global ARG, it also adds the
// ARGs to which the default value refers.
func (o *outliner) arg(st *Stage, name string, own map[string]OutlineArg, visited map[string]bool) {
	if visited[name] {
		return
	}
	visited[name] = true
	a, ok := own[name]
	if !ok {
		var g globalArg
		if g, ok = o.globals[st.Scope][name]; ok {
			a = g.OutlineArg
			for _, used := range g.uses {
				o.arg(st, used, own, visited)
			}
		}
	}
	if ok && !o.args[name] {
		o.args[name] = true
		o.out.Args = append(o.out.Args, a)
	}
}

// mounts adds the secrets and SSH agents of a RUN step to the outline.
func (o *outliner) mounts(x *Exec, place source.Range) {
	for _, m := range x.Mounts {
		switch m.Type {
		case MountSecret:
			o.out.Secrets = appendNew(o.out.Secrets, o.secrets, OutlineMount{m.ID, m.Required, place})
		case MountSSH:
			m.ID = cmp.Or(m.ID, "default")
			o.out.SSH = appendNew(o.out.SSH, o.ssh, OutlineMount{m.ID, m.Required, place})
		case MountBind, MountCache, MountTmpfs: // not passed by the user
		}
	}
}

// appendNew returns the list with the mount m appended, and adds the ID of m to the set ids. If
// ids already contains the ID, it returns the list unchanged.
func appendNew(list []OutlineMount, ids map[string]bool, m OutlineMount) []OutlineMount {
	if ids[m.ID] {
		return list
	}
	ids[m.ID] = true
	return append(list, m)
}
