// Package dockerfile2llb says a plan in LLB.
//
// [Emit] walks the reachable stages of a [plan.Plan] in order and makes one
// operation for each step: the output of the step before, and exactly the
// environment, directory, user and platform that the plan says. Nothing is asked
// of a chain of states, which keeps long files linear. The operations are, digest
// for digest, those of docker/dockerfile, so that their cache is shared.
//
// Operations of steps are messages (op) that are vertices of client/llb; inputs
// are states of client/llb. [Result.Marshal] writes all of them.
//
// Not here: what the steps are (plan), where contexts and images come from
// (the caller's Inputs).
package dockerfile2llb
