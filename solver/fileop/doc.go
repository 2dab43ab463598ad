// Package fileop applies file operations of LLB (copy, mkdir, mkfile, symlink, rm) to
// file trees, as BuildKit applies them to directories. It runs no processes and does not
// depend on the scheduler: it takes trees and returns trees.
//
// Not here: the files that the cache key of an operation covers (solver/cachemap), and
// the layers of results (solver/snapshot).
package fileop
