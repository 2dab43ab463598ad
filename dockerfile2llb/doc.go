// Package dockerfile2llb lowers a build plan to LLB.
//
// [Emit] walks the reachable stages of a [plan.Plan] in order and emits one
// operation per step. An operation takes the output of the previous step and
// exactly the environment, directory, user and platform recorded in the plan.
// It never derives these from a chain of llb.States, which would take quadratic
// time for long files. The operations have the same digests as those of
// docker/dockerfile, so both frontends share a build cache.
//
// Steps are emitted as protobuf messages (type op) that implement the vertices
// of client/llb; build contexts are states of client/llb. [Result.Marshal]
// encodes both.
//
// Out of scope: which steps a build has (package plan), and resolving images
// and contexts (the caller's Inputs).
package dockerfile2llb
