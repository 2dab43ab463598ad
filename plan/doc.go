// Package plan decides what a build will do, as data, before any of it is LLB.
//
// [Build] takes a typed Dockerfile through a table of passes (build.go) and
// returns a [Plan]: the stages with their bases and edges, which of them the
// target needs, and for each instruction of those a [Visit] that records how
// it was evaluated: the state before it, the words it expanded and the [Step]
// it takes, if it changes files. Image configs, history and progress names are
// part of it. All that a plan asks of the world goes through [Resolver].
//
//	p, diags := plan.Build(ctx, dockerfile, plan.Options{Resolver: r})
//	for _, st := range p.Stages {
//		for _, v := range st.Visits { … v.Step … }
//	}
//
// Lint, outline, graph and explain read the plan; dockerfile2llb says it in
// LLB. Not here: operations and their digests, what the daemon supports.
package plan
