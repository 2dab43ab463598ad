// Package frontend is the Dockerfile frontend: what a builder runs.
//
// [Build] reads as the sequence of a build: options, Dockerfile, another
// frontend if # syntax names one, then for each platform the plan, its LLB and
// its solution, and last what is attested of the results (sbom.go). Questions in place of a build are in the table of subrequest.go.
// It talks to the builder through BuildKit's gateway client and to nobody else.
//
// Not here: each of these steps, which are packages of their own.
package frontend
