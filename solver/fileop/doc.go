// Package fileop implements the file operations of LLB (copy, mkdir, mkfile, symlink, rm)
// on file trees, with the same results as BuildKit. It runs no processes and does not
// depend on the scheduler of package solver.
//
// Not here: cache keys of operations (solver/cachemap), and layers of results
// (solver/snapshot).
package fileop
