// Package testtree loads the file trees of snapshots for tests.
package testtree

import (
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Of returns the file tree of the snapshot s. It panics if the tree cannot be loaded.
func Of(s *snapshot.Snapshot) *tree.Node {
	n, err := s.Tree()
	if err != nil {
		panic(err)
	}
	return n
}
