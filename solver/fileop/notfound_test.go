package fileop

import (
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// TestMissingWhileCopying checks the text of the error for a copy whose source does not exist. It is
// the text of BuildKit if the copy itself finds that out, and not the computation of the cache key.
func TestMissingWhileCopying(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	op := &pb.FileOp{Actions: []*pb.FileAction{{
		Input: 0, SecondaryInput: 0,
		Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/bar", Dest: "/baz", Mode: -1, Timestamp: -1}},
	}}}
	e := tree.Edit(tree.Empty())
	if _, err := e.MkdirAll("foo", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*tree.Node{e.Tree(), tree.Empty()} {
		_, err = Apply(t.Context(), op, []*tree.Node{n}, Env{Store: store})
		if want := "copy /bar /baz: lstat /bar: no such file or directory"; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
