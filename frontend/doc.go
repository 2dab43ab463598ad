// Package frontend implements the Dockerfile frontend that a builder runs.
//
// [Build] follows the sequence of a build: it parses the options, reads the
// Dockerfile, and hands the build to another frontend if # syntax names one.
// Otherwise it plans each platform, lowers the plan to LLB and solves it, and
// finally adds attestations to the results (sbom.go). Requests other than
// builds are in the table of subrequest.go. The package talks to the builder
// only, through BuildKit's gateway client.
//
// Out of scope: the individual steps, which have packages of their own.
package frontend
