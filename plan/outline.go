package plan

import (
	"cmp"
	"slices"

	"slipway/instructions"
	"slipway/source"
)

// Outline lists the arguments, secrets and SSH agents that a user can pass to the build of
// a target, each in the order of the declarations.
type Outline struct {
	Args    []OutlineArg
	Secrets []OutlineMount
	SSH     []OutlineMount
}

// OutlineArg is a build argument that the target uses.
type OutlineArg struct {
	Name  string
	Doc   string       // what the comment above it says
	Value string       // in this build; "" also without one
	Range source.Range // the ARG; FROM for triggers
}

// OutlineMount is a secret or an SSH agent that a RUN asks for.
type OutlineMount struct {
	ID       string
	Required bool
	Range    source.Range // the RUN; FROM for triggers
}

// Outline returns the outline of the target and the stages that it needs. If a stage
// declares a name several times, the last ARG and the first mount count. If several stages
// declare it, the target takes precedence over its base, and the base over the stages that
// the target copies from and mounts. The plan must be complete.
func (p *Plan) Outline() Outline {
	o := outliner{
		globals: p.globalArgs(),
		from:    p.fromArgs(),
		seen:    map[*Stage]bool{},
		args:    map[string]bool{},
		secrets: map[string]bool{},
		ssh:     map[string]bool{},
	}
	o.stage(p.Target)
	byLine(o.out.Args, func(a OutlineArg) source.Range { return a.Range })
	byLine(o.out.Secrets, func(m OutlineMount) source.Range { return m.Range })
	byLine(o.out.SSH, func(m OutlineMount) source.Range { return m.Range })
	return o.out
}

func byLine[T any](list []T, place func(T) source.Range) {
	slices.SortStableFunc(list, func(a, b T) int {
		la, _ := place(a).Lines()
		lb, _ := place(b).Lines()
		return cmp.Compare(la, lb)
	})
}

// globalArg is an ARG before the first FROM and the names that its default uses.
type globalArg struct {
	OutlineArg
	uses []string
}

// globalArgs returns the last declaration of each global ARG. One that extends
// itself uses what the one before it uses.
func (p *Plan) globalArgs() map[string]globalArg {
	args := make(map[string]globalArg, len(p.Declared))
	for _, d := range p.Declared {
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

// fromArgs returns the variables in the FROM of each stage of the file, and in the FROM of
// its base stages. The FROM of a stage that a named context replaces does not count.
func (p *Plan) fromArgs() map[*Stage][]string {
	from := make(map[*Stage][]string, len(p.Dockerfile.Stages))
	byName := map[string]*Stage{}
	for i := range p.Froms {
		st, f := p.Stages[i], &p.Froms[i]
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
	return from
}

// outliner collects an outline in which each name is listed once.
type outliner struct {
	globals            map[string]globalArg
	from               map[*Stage][]string
	seen               map[*Stage]bool
	args, secrets, ssh map[string]bool
	out                Outline
}

// stage adds a stage and then, depth first, the stages that it needs.
func (o *outliner) stage(st *Stage) {
	if o.seen[st] {
		return
	}
	o.seen[st] = true
	own := o.ownArgs(st)
	visited := map[string]bool{}
	for _, name := range o.from[st] {
		o.arg(name, own, visited)
	}
	for _, c := range st.Visits {
		switch c := c.Command.(type) {
		case *instructions.Arg:
			for i := range c.Args {
				o.arg(c.Args[i].Key, own, visited)
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

// ownArgs returns the ARGs of a stage, except for ARGs that take their value from a global
// ARG, whose declaration is listed instead.
func (*outliner) ownArgs(st *Stage) map[string]OutlineArg {
	own := map[string]OutlineArg{}
	for i, v := range st.Visits {
		c, ok := v.Command.(*instructions.Arg)
		if !ok {
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

// arg adds an argument that a stage uses. If it is global, the arguments that its default
// uses are added, too.
func (o *outliner) arg(name string, own map[string]OutlineArg, visited map[string]bool) {
	if visited[name] {
		return
	}
	visited[name] = true
	a, ok := own[name]
	if !ok {
		var g globalArg
		if g, ok = o.globals[name]; ok {
			a = g.OutlineArg
			for _, used := range g.uses {
				o.arg(used, own, visited)
			}
		}
	}
	if ok && !o.args[name] {
		o.args[name] = true
		o.out.Args = append(o.out.Args, a)
	}
}

func (o *outliner) mounts(x *Exec, place source.Range) {
	for _, m := range x.Mounts {
		switch m.Type {
		case MountSecret:
			o.out.Secrets = appendNew(o.out.Secrets, o.secrets, OutlineMount{m.ID, m.Required, place})
		case MountSSH:
			m.ID = cmp.Or(m.ID, "default")
			o.out.SSH = appendNew(o.out.SSH, o.ssh, OutlineMount{m.ID, m.Required, place})
		case MountBind, MountCache, MountTmpfs: // nothing a user gives
		}
	}
}

func appendNew(list []OutlineMount, known map[string]bool, m OutlineMount) []OutlineMount {
	if known[m.ID] {
		return list
	}
	known[m.ID] = true
	return append(list, m)
}
