// Package solver builds what a definition in LLB describes, in this process and
// without a daemon. It is a reference: exact and readable first, and fast
// because file trees are Merkle trees.
//
// [Load] checks a definition and makes a [Graph] of it. A [Solver] evaluates each
// vertex once, independent ones side by side. What a vertex makes is a
// [Snapshot]: a file tree and the layers that it is made of. Before it runs, an
// operation says what its result depends on, its [Key]: the operation, the keys
// of its inputs, and where it only reads a part of an input, the digest of that
// part. A result with that key in the [Cache] is used instead.
//
// Where files come from is behind [Sources], and how processes run is behind the
// runners of package runner.
//
// Not here: the gateway that frontends talk to (solver/gateway), file trees
// (solver/tree), what users see.
package solver
