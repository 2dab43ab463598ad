// Package dockerfile2llb lowers a build plan to LLB.
//
// [Emit] walks the reachable stages of a [plan.Plan] in order and emits one operation per
// step. An operation takes the output of the previous step and exactly the environment,
// directory, user and platform recorded in the plan. It does not derive them from a chain
// of llb.States, which would take quadratic time for long files. The operations have the
// same digests as in docker/dockerfile, so both frontends share a build cache.
//
// Steps become protobuf messages (type op) that implement llb.Vertex, while build
// contexts are states from package client/llb. [Conversion.Marshal] encodes both.
//
// Package plan decides which steps a build has. The caller's [Inputs] resolves images and
// contexts.
package dockerfile2llb
