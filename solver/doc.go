// Package solver executes LLB definitions in this process, without a daemon. It is a
// reference implementation: exact behaviour and readable code come first. It is fast
// nevertheless, because file trees are Merkle trees.
//
// [Load] validates a definition and returns its [Graph]. A [Job] evaluates each vertex
// once, and independent vertices concurrently. Each output of a vertex is a snapshot: a
// file tree and its layers. An [Op] returns a cache map, which lists what its outputs
// depend on: the operation, and for each input either a digest that identifies it or the
// content of the files that the operation reads. The cache map and the inputs yield a
// [Key]. The [Cache] stores the outputs by the digest of this key.
//
// The files, from top to bottom: job.go creates a task for each vertex. task.go evaluates
// a task, with lookup.go for its cache keys and remote_import.go for imported caches.
// ops.go selects the implementation of an operation. Each implementation has a file op_*.go
// and uses env.go. graph.go, load.go and validate.go read definitions.
//
// Not here: the content of sources (solver/llbsource implements [Sources]), processes
// (solver/runner), file operations (solver/fileop), cache maps (solver/cachemap), the
// cache on disk (solver/diskcache), mounts from the host (solver/hostmount implements
// [Mounts]), the gateway API for frontends (solver/gateway), file trees and snapshots
// (solver/tree, solver/snapshot).
package solver
