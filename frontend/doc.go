// Package frontend implements the Dockerfile frontend that a builder runs.
//
// [Build] parses the options, reads the Dockerfile, and hands the build to another
// frontend if # syntax names one. Otherwise it plans each platform, lowers the plans to
// LLB and solves them. Finally, it adds attestations to the results (sbom.go). The table
// in subrequest.go lists the requests other than builds. The package communicates only
// with the builder, through BuildKit's gateway client.
//
// Each of the steps above has a package of its own.
package frontend
