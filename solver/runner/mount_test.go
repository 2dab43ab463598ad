package runner

import (
	"errors"
	"testing"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// TestMountResolve checks that Resolve follows links to the source of a mount. If the source
// does not exist, Resolve must return a [SourceError] with the tree and the source.
func TestMountResolve(t *testing.T) {
	e := tree.Edit(tree.Empty())
	_, err := e.MkdirAll("d/e", tree.Meta{Mode: 0o755})
	if err = errors.Join(err, e.Put("l", tree.NewSymlink(tree.Meta{}, "/d/e")), e.Put("dangling", tree.NewSymlink(tree.Meta{}, "none"))); err != nil {
		t.Fatal(err)
	}
	root := e.Tree()
	for _, tc := range []struct {
		source, at string
		fails      bool
	}{
		{"", "", false},
		{"/", "", false},
		{"/d", "d", false},
		{"l", "d/e", false},
		{"/none", "", true},
		{"/dangling", "", true},
	} {
		m := Mount{Kind: MountTree, Tree: tree.Empty(), Source: tc.source}
		at, n, err := m.Resolve(root)
		var missing *SourceError
		if failed := errors.As(err, &missing); failed != tc.fails || failed && (missing.Root != root || missing.Source != tc.source) {
			t.Errorf("source %q: error %v, want a SourceError with the tree: %v", tc.source, err, tc.fails)
		}
		if at != tc.at || !tc.fails && n != testtree.Must(root.Get(tc.at)) {
			t.Errorf("source %q: path %q with node %v, want %q", tc.source, at, n, tc.at)
		}
	}
}
