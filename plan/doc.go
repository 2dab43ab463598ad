// Package plan turns a Dockerfile into a build plan: data that describes each step before any
// LLB exists.
//
// [Build] runs a table of passes (build.go) over a typed Dockerfile and returns a [Plan]. A
// plan lists the stages with their bases and edges, and marks the stages that the target needs.
// Each instruction of these stages has a [Visit]. A visit records the state before the
// instruction, the facts that build checks need, and the [Step] that changes files, if any. A
// plan also has the image configs, the history, and the names of the steps in the progress
// output. Build reads external data, such as image configs, only through a [Resolver].
//
//	p, err := plan.Build(ctx, dockerfile, plan.Options{Resolver: r})
//	for _, st := range p.Stages {
//		for _, v := range st.Visits { … v.Step … }
//	}
//
// The linter, the outline, the build graph and explanations of cache misses read the
// plan. Package dockerfile2llb lowers it to LLB. A plan has no LLB operations or digests,
// and does not depend on the capabilities of the daemon.
package plan
