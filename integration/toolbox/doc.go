// Package toolbox builds the programs that integration tests run.
//
// Nothing is downloaded as a finished program: buildkitd, buildctl, the
// registry and the rest are Go programs, each pinned by the go.mod of a module
// of its own under integration/tools, so that what they need never mixes with
// what this project needs. Path builds a program into bin/tools when it is
// missing or was built from other pins, and returns where it lies.
//
// What is not here: Debian packages (package rig), and the frontend image
// (package frontendimage).
package toolbox
