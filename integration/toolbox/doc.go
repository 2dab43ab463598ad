// Package toolbox builds the programs that integration tests run.
//
// No binaries are downloaded: buildkitd, buildctl, the registry and the other
// tools are Go programs. Each is pinned by the go.mod of a separate module
// under integration/tools, so that its dependencies do not mix with those of
// this project. Path builds a program into bin/tools if it is missing or was
// built from other versions, and returns its path.
//
// Out of scope: Debian packages (package rig), and the frontend image (package
// frontendimage).
package toolbox
