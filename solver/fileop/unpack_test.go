package fileop

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// archive returns a tree with the file a.tar, an archive that contains entries.
func archive(t *testing.T, s *tree.Store, entries ...*tar.Header) *tree.Node {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return treeOf(t, s, map[string]string{"a.tar": b.String()})
}

// unpack returns an action that unpacks the archive /a.tar. The parameter input is the
// index of the tree into which the archive is unpacked, and from is the index of the
// tree that contains the archive.
func unpack(input, from int64) *pb.FileAction {
	return &pb.FileAction{Input: input, SecondaryInput: from, Action: &pb.FileAction_Copy{
		Copy: &pb.FileActionCopy{Src: "/a.tar", Dest: "/", Mode: -1, Timestamp: -1, CreateDestPath: true, AttemptUnpackDockerCompatibility: true},
	}}
}

// TestUnpackWhiteout checks how an archive's 0/0 character device is unpacked. In a
// tree that is based on an input, the device is an error, even after other actions,
// because BuildKit unpacks into an overlay file system in this case. In a tree created
// from scratch, the device deletes the file at its path.
func TestUnpackWhiteout(t *testing.T) {
	s := newStore(t)
	in := []*tree.Node{
		archive(t, s, &tar.Header{Name: "f", Mode: 0o644}, &tar.Header{Name: "w", Typeflag: tar.TypeChar}),
		treeOf(t, s, map[string]string{"x": ""}),
	}
	dir := func(input int64) *pb.FileAction {
		a := mkdir(&pb.FileActionMkDir{Path: "/d", Mode: 0o755})
		a.Input = input
		return a
	}
	for _, tc := range []struct {
		about   string
		actions []*pb.FileAction
		fails   bool
	}{
		{"on scratch", []*pb.FileAction{unpack(-1, 0)}, false},
		{"on a directory created on scratch", []*pb.FileAction{dir(-1), unpack(2, 0)}, false},
		{"on an input", []*pb.FileAction{unpack(1, 0)}, true},
		{"on a directory created on an input", []*pb.FileAction{dir(1), unpack(2, 0)}, true},
	} {
		list, err := Apply(t.Context(), &pb.FileOp{Actions: tc.actions}, in, Env{Store: s, Now: now})
		if errors.Is(err, syscall.EPERM) != tc.fails || !tc.fails && err != nil {
			t.Errorf("%s: error %v, want an error: %v", tc.about, err, tc.fails)
		}
		if err != nil {
			continue
		}
		if n := list[len(list)-1].Tree; testtree.Must(n.Get("f")) == nil || testtree.Must(n.Get("w")) != nil {
			t.Errorf("%s: got\n%swant f and no w", tc.about, listing(t, s, n))
		}
	}
}

// TestUnpackCanceled checks that unpacking an archive stops when the context ends.
func TestUnpackCanceled(t *testing.T) {
	s := newStore(t)
	in := []*tree.Node{archive(t, s, &tar.Header{Name: "f", Mode: 0o644})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	clock := func() time.Time { // called for the time of new directories
		cancel()
		return now()
	}
	if _, err := Apply(ctx, &pb.FileOp{Actions: []*pb.FileAction{unpack(-1, 0)}}, in, Env{Store: s, Now: clock}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
