// Package tree keeps file trees as values.
//
// A [Node] is a file, and a directory is a node with all that is below it. Nodes
// never change, so trees share what they have in common, and a copy of a
// directory is a pointer. Every directory has two digests: [Node.Digest] covers
// names, content, modes, owners and extended attributes, and is what a cache
// looks at; [Node.ID] covers times and hard links as well, and names the
// directory in a [Store].
//
// The bytes of files are blobs of the store: one file on disk for each content.
// Trees are changed with an [Editor], read from and written as layers of OCI
// images ([ReadLayer], [WriteLayer]), compared ([Diff]) and put on top of each
// other ([Apply]).
//
//	e := tree.Edit(base)
//	err := e.Put("etc/hostname", tree.NewFile(tree.Meta{Mode: 0o644}, blob))
//	changed := e.Tree()
//
// Paths have slashes, are relative to the root of the tree, and never leave it.
package tree
