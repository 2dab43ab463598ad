// Package interp runs steps without kernel features. It interprets their shell scripts
// and implements common tools, such as cp, directly on the file tree.
//
// It is intended for machines without namespaces, for systems other than Linux, and for
// tests. A step fails if the package cannot perform an operation exactly: if the step
// runs a program of the image, runs as a user other than root, or uses an unsupported
// flag or tool. The package never returns approximate results. A tool is available only
// if the image has a tool of the same name.
//
// Because no program of the image is executed, a step can have any Linux platform on
// any machine. The tool uname prints the platform of the step.
//
// On the host, the runner reads and writes only the directories of cache mounts. ~user
// refers to a user of the image, and there are no process IDs. Scripts share the memory
// of the builder, so the size of their variables, files and functions is limited.
package interp
