// Package tree represents file trees as immutable values.
//
// A [Node] is a file or a directory with everything below it. Nodes never change.
// Therefore, trees share equal nodes, and copying a directory only copies a pointer. The
// entries of a directory in a [Store] are loaded when they are first needed.
//
// Every directory has two digests. [Node.Digest] covers names, content, modes, owners and
// extended attributes, and is used in cache keys. [Node.ID] also covers times and hard
// links, and identifies the directory in a [Store].
//
// File content is stored as blobs by digest, so that equal content is stored once. An
// [Editor] changes trees. Layers of OCI images are read with [ReadLayer] and written with
// [WriteLayer]. [Diff] compares two trees, and [Apply] merges a layer into a tree.
//
//	e := tree.Edit(base)
//	err := e.Put("etc/hostname", tree.NewFile(tree.Meta{Mode: 0o644}, blob))
//	changed := e.Tree()
//
// Paths use slashes, are relative to the root of the tree, and never leave it.
package tree
