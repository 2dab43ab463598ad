// Package toolbox builds the programs that integration tests run.
//
// buildkitd, buildctl, the registry and the other tools are Go programs, so no binaries are
// downloaded. Each tool is pinned by the go.mod of a separate module below
// integration/tools, so that the dependencies of the tool do not mix with the dependencies
// of this project. Path builds a program into bin/tools if it is missing or was built from
// other versions.
//
// Debian packages are installed by package rig, and the frontend image is created by package
// frontendimage.
package toolbox
