package plan

// DefaultBases returns the base image names of the file's stages. Variables in the names
// have the defaults of the global ARGs, even if build arguments override them. The list
// ends before the first name that cannot be expanded. If the default of a global ARG
// cannot be expanded, the list is empty.
func (p *Plan) DefaultBases() []string {
	b := &builder{Plan: p, current: p.Scope}
	env := p.Predefined
	for _, g := range p.Declarations { // build arguments do not change LET
		if g.In.Let {
			env = env.Set(g.Decl.Key, g.Value)
		}
	}
	for _, arg := range p.Dockerfile.Args {
		for i := range arg.Args {
			decl := &arg.Args[i]
			if decl.Default == nil || arg.Let {
				continue
			}
			res, d := b.word(b.current.expand, *decl.Default, env)
			if d != nil {
				return nil
			}
			env = env.Set(decl.Key, res.Value)
		}
	}
	var bases []string
	for _, st := range p.Dockerfile.Stages {
		res, d := b.word(b.current.expand, st.From.Base, env)
		if d != nil {
			break
		}
		bases = append(bases, res.Value)
	}
	return bases
}
