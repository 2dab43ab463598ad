package solver

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// TestCopySockets: a copy of a socket, on its own or with its directory, is an
// empty file.
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
	b := New(t.Context(), Options{
		Store: s, Cache: NewMemoryCache(), Sources: definitionSource{e.Tree()}, Runner: idle{},
		Now: func() time.Time { return time.Unix(0, 0) },
	})
	defer b.Wait()
	copyOf := func(src string, in, out int64) *pb.FileAction {
		return &pb.FileAction{Input: in, Output: out, Action: &pb.FileAction_Copy{
			Copy: &pb.FileActionCopy{Src: src, Dest: "/to/", Mode: -1, Timestamp: -1, CreateDestPath: true},
		}}
	}
	actions := []*pb.FileAction{copyOf("/d/sock", -1, -1), copyOf("/d", 1, 0)}
	g, err := Load(marshal(t,
		&pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: "local://x"}}},
		&pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: actions}}}))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := b.Result(g).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"to/sock", "to/d/sock"} {
		n := snapshot.Tree().Get(name)
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

// TestCopyRoot: the root that a copy changes has mode 0755 whatever it had below, and
// links of links are no hard links of each other in the copy.
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
	b := New(t.Context(), Options{
		Store: s, Cache: NewMemoryCache(), Sources: definitionSource{root}, Runner: idle{},
		Now: func() time.Time { return time.Unix(0, 0) },
	})
	defer b.Wait()
	actions := []*pb.FileAction{{Input: 0, SecondaryInput: 0, Output: 0, Action: &pb.FileAction_Copy{
		Copy: &pb.FileActionCopy{Src: "/", Dest: "/to/", Mode: -1, Timestamp: -1, CreateDestPath: true},
	}}}
	src := &pb.Op{Op: &pb.Op_Source{Source: &pb.SourceOp{Identifier: "local://x"}}}
	g, err := Load(marshal(t, src, &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: actions}}}))
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := b.Result(g).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := snapshot.Tree()
	if m := n.Meta(); m.Mode != 0o755 || m.UID != 5 {
		t.Errorf("the root has mode %o and user %d, want 755 and 5", m.Mode, m.UID)
	}
	for name, linked := range map[string]bool{"a": true, "b": true, "to/a": false, "to/b": false} {
		if got := n.Get(name).Inode() != ""; got != linked {
			t.Errorf("%s is a hard link: %v, want %v", name, got, linked)
		}
	}
}

// TestActionErrors: the error of an action names each path once.
func TestActionErrors(t *testing.T) {
	cp := &pb.FileAction{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/a", Dest: "/f/"}}}
	mkdir := &pb.FileAction{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Path: "/f"}}}
	inTheWay := func(name string) error { return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR} }
	for _, tc := range []struct {
		action *pb.FileAction
		err    error
		want   string
	}{
		{mkdir, inTheWay("/f"), "mkdir /f: not a directory"},
		{cp, errors.Join(inTheWay("/f"), nil), "copy /a /f/: not a directory"},
		{cp, inTheWay("/f/x"), "copy /a /f/: /f/x: not a directory"},
		{cp, fmt.Errorf("more: %w", inTheWay("/f")), "copy /a /f/: more: mkdir /f: not a directory"},
	} {
		if err := described(tc.action, tc.err); err.Error() != tc.want || !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("error %q, want %q", err, tc.want)
		}
	}
}
