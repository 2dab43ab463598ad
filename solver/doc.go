// Package solver builds what a definition in LLB describes, in this process and
// without a daemon. It is a reference: exact and readable first, and fast
// because file trees are Merkle trees.
//
// [Load] checks a definition and makes a [Graph] of it. A [Job] evaluates each
// vertex once, and independent ones concurrently. Outputs of a vertex are a
// snapshot each: a file tree and its layers. An [Op] describes what its outputs
// depend on: the operation, and of each input either how it was made or the content
// of the files that are read. The digest of that is its [Key], under which the [Cache]
// stores the outputs.
//
// The files, from top to bottom: job.go has a task for each vertex. task.go evaluates
// one, with lookup.go for its cache keys and remote_import.go for imported caches.
// ops.go is the table of operations, each of which is an op_*.go. They share env.go.
// graph.go, load.go and validate.go read definitions.
//
// Not here: where files come from (solver/source implements [Sources]), how processes
// run (solver/runner), file operations (solver/fileop), what keys cover
// (solver/cachemap), the cache on disk (solver/diskcache), mounts of the host
// (solver/hostmount implements [Mounts]), the gateway that frontends talk to
// (solver/gateway), file trees and snapshots (solver/tree, solver/snapshot).
package solver
