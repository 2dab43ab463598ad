package plan

import "slipway/shell"

// DefaultBases returns what the bases of the file's stages are if no build
// arguments are given: up to the first one that does not expand, and none if a
// default of a global ARG does not.
func (p *Plan) DefaultBases() []string {
	b := &builder{Plan: p, expand: shell.Expander{Escape: p.Dockerfile.File.Escape}}
	env := p.Predefined
	for _, arg := range p.Dockerfile.Args {
		for i := range arg.Args {
			decl := &arg.Args[i]
			if decl.Default == nil {
				continue
			}
			res, d := b.word(b.expand, *decl.Default, env)
			if d != nil {
				return nil
			}
			env = env.Set(decl.Key, res.Value)
		}
	}
	var bases []string
	for _, st := range p.Dockerfile.Stages {
		res, d := b.word(b.expand, st.From.Base, env)
		if d != nil {
			break
		}
		bases = append(bases, res.Value)
	}
	return bases
}
