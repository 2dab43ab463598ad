// Package testtree loads the file trees and layers of snapshots for tests.
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

// Layers returns the layers of the snapshot s, lowest first. It panics if they cannot be
// loaded.
func Layers(s *snapshot.Snapshot) []snapshot.Layer {
	layers, err := s.Layers()
	if err != nil {
		panic(err)
	}
	return layers
}

// Must returns v, the result of a method of [tree.Node] or [tree.Editor]. It panics if err
// is not nil.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
