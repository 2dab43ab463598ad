// Package plan turns a Dockerfile into a build plan: data that describes each step before
// any LLB exists.
//
// [Build] takes a typed Dockerfile through a table of passes (build.go) and
// returns a [Plan]. It lists the stages with their bases and edges, and marks the stages
// that the target needs. Each instruction of these stages has a [Visit], which records the
// state before the instruction, the words that were expanded and the [Step] that changes
// files, if there is one. A plan includes image configs, history and progress names. It
// reads external data, such as image configs, only through its [Resolver].
//
//	p, diags := plan.Build(ctx, dockerfile, plan.Options{Resolver: r})
//	for _, st := range p.Stages {
//		for _, v := range st.Visits { … v.Step … }
//	}
//
// Lint, outline, graph and explain read the plan. Package dockerfile2llb translates it to
// LLB. Not here: operations and their digests, capabilities of the daemon.
package plan
