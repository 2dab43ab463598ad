// Package shell runs steps without the help of a kernel: it interprets their
// shell commands on the file tree itself, with the tools that it brings along.
//
// It is for machines without namespaces, for other systems than Linux, and for
// tests. What it cannot do exactly it refuses: programs of the image, users other
// than root, and flags and tools that it does not have. It never makes anything
// up. A tool is there only if the image has one of that name.
//
// As it runs no programs, it interprets the steps of every Linux platform on any
// machine; uname tells the platform of the step.
//
// Nothing of the host is read or written but the directories of cache mounts: ~user
// is a user of the image, and there are no process IDs. As scripts share the memory
// of the build, what they keep in variables, files and functions is bounded.
package shell
