package fileop

import (
	"errors"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// TestCopySockets checks that the copy of a socket is an empty file, whether the action
// copies the socket itself or a directory that contains it.
func TestCopySockets(t *testing.T) {
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(nil)
	_, err = e.MkdirAll("d", tree.Meta{Mode: 0o755})
	if err = errors.Join(err, e.Put("d/sock", tree.NewDevice(tree.Socket, tree.Meta{Mode: 0o700}, tree.Device{}))); err != nil {
		t.Fatal(err)
	}
	copyOf := func(src string, in, out int64) *pb.FileAction {
		return &pb.FileAction{Input: in, Output: out, Action: &pb.FileAction_Copy{
			Copy: &pb.FileActionCopy{Src: src, Dest: "/to/", Mode: -1, Timestamp: -1, CreateDestPath: true},
		}}
	}
	n := apply(t, s, []*tree.Node{e.Tree()}, copyOf("/d/sock", -1, -1), copyOf("/d", 1, 0))
	for _, name := range []string{"to/sock", "to/d/sock"} {
		n := testtree.Must(n.Get(name))
		if n == nil || n.Kind() != tree.File || n.Blob().Size != 0 || n.Meta().Mode != 0o700 {
			t.Errorf("/%s is %+v, want an empty file of mode 700", name, n)
			continue
		}
		if f, err := s.Open(n.Blob()); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
	}
}

// TestCopyRoot checks two effects of a copy that are the same as in BuildKit. A copy sets
// the mode of the root of the changed tree to 0755. Symbolic links that are hard links of
// each other are copied as separate links.
func TestCopyRoot(t *testing.T) {
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := tree.NewSymlink(tree.Meta{Mode: 0o777}, "to").WithInode("1")
	root, err := tree.NewDir(tree.Meta{Mode: 0o2700, UID: 5}, []tree.Entry{{Name: "a", Node: link}, {Name: "b", Node: link}})
	if err != nil {
		t.Fatal(err)
	}
	n := apply(t, s, []*tree.Node{root}, &pb.FileAction{Input: 0, SecondaryInput: 0, Action: &pb.FileAction_Copy{
		Copy: &pb.FileActionCopy{Src: "/", Dest: "/to/", Mode: -1, Timestamp: -1, CreateDestPath: true},
	}})
	if m := n.Meta(); m.Mode != 0o755 || m.UID != 5 {
		t.Errorf("the root has mode %o and user %d, want 755 and 5", m.Mode, m.UID)
	}
	for name, linked := range map[string]bool{"a": true, "b": true, "to/a": false, "to/b": false} {
		if got := testtree.Must(n.Get(name)).Inode() != ""; got != linked {
			t.Errorf("%s is a hard link: %v, want %v", name, got, linked)
		}
	}
}
