package fileop

import (
	"fmt"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// TestSetGroupID checks that new files and directories inherit the group of a parent
// directory with the set-group-ID bit, unless the action sets an owner. Directories must
// also inherit the bit itself.
func TestSetGroupID(t *testing.T) {
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(5, 0).UTC()
	dir := func(m tree.Meta, entries ...tree.Entry) *tree.Node {
		t.Helper()
		n, err := tree.NewDir(m, entries)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	base := dir(tree.Meta{Mode: 0o755}, tree.Entry{Name: "s", Node: dir(tree.Meta{Mode: 0o2770, UID: 3, GID: 5, ModTime: at})})
	owner := &ids{7, 8}
	source := dir(tree.Meta{Mode: 0o755}, tree.Entry{Name: "a", Node: tree.NewSymlink(tree.Meta{Mode: 0o777, UID: 1, GID: 1}, "x")})
	for _, tc := range []struct {
		name string
		do   func(r *run, e *tree.Editor) error
		want map[string]string
	}{
		{"mkdir", func(r *run, e *tree.Editor) error {
			return r.mkdir(e, &pb.FileActionMkDir{Path: "/s/d", Mode: 0o700, Timestamp: 9}, nil)
		}, map[string]string{"s/d": "2700 0:5"}},
		{"mkdir with parents", func(r *run, e *tree.Editor) error {
			return r.mkdir(e, &pb.FileActionMkDir{Path: "/s/d/e", Mode: 0o755, MakeParents: true, Timestamp: 9}, nil)
		}, map[string]string{"s/d": "2755 0:5", "s/d/e": "2755 0:5"}},
		{"mkdir with an owner", func(r *run, e *tree.Editor) error {
			return r.mkdir(e, &pb.FileActionMkDir{Path: "/s/d", Mode: 0o755, Timestamp: 9}, owner)
		}, map[string]string{"s/d": "2755 7:8"}},
		{"mkdir elsewhere", func(r *run, e *tree.Editor) error {
			return r.mkdir(e, &pb.FileActionMkDir{Path: "/d", Mode: 0o755, Timestamp: 9}, nil)
		}, map[string]string{"d": "0755 0:0"}},
		{"mkfile", func(r *run, e *tree.Editor) error {
			return r.mkfile(e, &pb.FileActionMkFile{Path: "/s/f", Mode: 0o600, Timestamp: 9}, nil)
		}, map[string]string{"s/f": "0600 0:5"}},
		{"symlink", func(r *run, e *tree.Editor) error {
			return r.symlink(e, &pb.FileActionSymlink{Newpath: "/s/l", Oldpath: "x", Timestamp: 9}, nil)
		}, map[string]string{"s/l": "0777 0:5"}},
		{"copy", func(r *run, e *tree.Editor) error {
			return r.copy(e, source, &pb.FileActionCopy{Src: "/a", Dest: "/s/made/a", Mode: -1, Timestamp: 9, CreateDestPath: true}, nil)
		}, map[string]string{"s/made": "2755 0:5", "s/made/a": "0777 1:1"}},
		{"copy with an owner", func(r *run, e *tree.Editor) error {
			return r.copy(e, source, &pb.FileActionCopy{Src: "/a", Dest: "/s/made/a", Mode: -1, Timestamp: -1, CreateDestPath: true}, owner)
		}, map[string]string{"s/made": "2755 7:8", "s/made/a": "0777 7:8"}},
	} {
		r := &run{ctx: t.Context(), env: Env{Store: s, Now: time.Now}}
		e := tree.Edit(base)
		if err := tc.do(r, e); err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for name, want := range tc.want {
			n := testtree.Must(e.Tree().Get(name))
			if n == nil {
				t.Errorf("%s: %s does not exist", tc.name, name)
				continue
			}
			m := n.Meta()
			if got := fmt.Sprintf("%04o %d:%d", m.Mode, m.UID, m.GID); got != want {
				t.Errorf("%s: %s has %s, want %s", tc.name, name, got, want)
			}
		}
		if dir := testtree.Must(e.Tree().Get("s/made")); dir != nil && tc.name == "copy" && !dir.Meta().ModTime.Equal(time.Unix(0, 9)) {
			t.Errorf("%s: s/made has the time %s, want %s", tc.name, dir.Meta().ModTime, time.Unix(0, 9))
		}
	}
}
