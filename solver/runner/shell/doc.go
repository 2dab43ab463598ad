// Package shell runs steps without the help of a kernel: it interprets their
// shell commands on the file tree itself, with the tools that it brings along.
//
// It is for machines without namespaces, for other systems than Linux, and for
// tests. What it cannot do exactly it refuses: programs of the image, users other
// than root, and flags and tools that it does not have. It never makes anything
// up. A tool is there only if the image has one of that name.
//
// Nothing of the host is read or written but the directories of cache mounts.
package shell
