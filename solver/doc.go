// Package solver builds what a definition in LLB describes, in this process and
// without a daemon. It is a reference: exact and readable first, and fast
// because file trees are Merkle trees.
//
// [Load] checks a definition and makes a [Graph] of it. A [Job] evaluates each
// vertex once, and independent ones concurrently. Outputs of a vertex are a
// [Snapshot] each: a file tree and its layers. An [Op] describes what its outputs
// depend on: the operation, and of each input either how it was made or the content
// of the files that are read. The digest of that is its [Key], under which the [Cache]
// stores the outputs.
//
// Where files come from is behind [Sources], and how processes run is behind the
// runners of package runner.
//
// Not here: the gateway that frontends talk to (solver/gateway), file trees
// (solver/tree), what users see.
package solver
