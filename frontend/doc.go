// Package frontend implements the Dockerfile frontend that a builder runs.
//
// [Build] parses the options, reads the Dockerfile, and hands the build to another
// frontend if # syntax names one. Without # syntax, it plans each platform, lowers the
// plans to LLB and solves them. Finally, it adds attestations to the results (sbom.go).
// The table in subrequest.go lists the requests other than builds. The package
// communicates only with the builder, through BuildKit's gateway client.
//
// Options, inputs, planning and lowering have packages of their own.
package frontend
