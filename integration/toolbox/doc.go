// Package toolbox builds the programs that integration tests run.
//
// buildkitd, buildctl, the registry and the other tools are Go programs, so no binaries are
// downloaded. Each is pinned by the go.mod of a separate module below integration/tools, so
// that its dependencies do not mix with this project's. Path builds a program into bin/tools
// if it is missing or was built from other versions.
//
// Debian packages are installed by package rig, and the frontend image is created by package
// frontendimage.
package toolbox
