// Package interp runs steps without kernel features. It interprets their shell commands
// directly on the file tree, with built-in tools.
//
// It is intended for machines without namespaces, for systems other than Linux, and for
// tests. It rejects what it cannot do exactly: programs of the image, users other than
// root, and unsupported flags and tools. It never returns approximate results. A tool
// is available only if the image has a tool of the same name.
//
// Because it runs no programs, it interprets steps of every Linux platform on any
// machine. The command uname prints the platform of the step.
//
// Only the directories of cache mounts are read and written on the host. ~user is a
// user of the image, and there are no process IDs. Scripts share the memory of the
// build, so the size of their variables, files and functions is limited.
package interp
