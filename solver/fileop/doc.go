// Package fileop applies file operations of LLB (copy, mkdir, mkfile, symlink, rm) to
// file trees, as BuildKit applies them to directories. It runs nothing and knows no
// scheduler: trees go in, and trees come out.
//
// Not here: which files count for the cache key of an operation (solver/cachemap), and
// the layers that results become (solver/snapshot).
package fileop
