package fileop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/testtree"
	"slipway/solver/tree"
)

// now returns the modification time of new files in these tests.
func now() time.Time { return time.Unix(100, 0) }

// newStore returns a store in a temporary directory.
func newStore(t *testing.T) *tree.Store {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// apply applies actions to the trees in inputs, and returns the tree that the last action
// produces.
func apply(t *testing.T, s *tree.Store, inputs []*tree.Node, actions ...*pb.FileAction) *tree.Node {
	t.Helper()
	list, err := Apply(t.Context(), &pb.FileOp{Actions: actions}, inputs, Env{Store: s, Now: now, ID: "op"})
	if err != nil {
		t.Fatal(err)
	}
	return list[len(list)-1].Tree
}

// treeOf returns a tree with regular files. The map contains the text of each file by its
// path.
func treeOf(t *testing.T, s *tree.Store, content map[string]string) *tree.Node {
	t.Helper()
	e := tree.Edit(tree.Empty())
	for _, name := range slices.Sorted(maps.Keys(content)) {
		b, err := s.PutBytes([]byte(content[name]))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.MkdirAll(parentOf(name), tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
			t.Fatal(err)
		}
	}
	return e.Tree()
}

// listing describes a tree, with one line per path: mode, owner, modification time in
// nanoseconds, and content.
func listing(t *testing.T, s *tree.Store, n *tree.Node) string {
	t.Helper()
	var b strings.Builder
	err := tree.Diff(nil, n, func(c tree.Change) error {
		if c.Path == "" {
			return nil
		}
		m := c.Node.Meta()
		fmt.Fprintf(&b, "%s %04o %d:%d %d", c.Path, m.Mode, m.UID, m.GID, m.ModTime.UnixNano())
		switch c.Node.Kind() {
		case tree.File:
			data, err := ReadFile(t.Context(), s, n, c.Path)
			fmt.Fprintf(&b, " %q", data)
			if err != nil {
				return err
			}
		case tree.Symlink:
			fmt.Fprintf(&b, " -> %s", c.Node.Target())
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// mkdir returns an action on scratch that creates a directory.
func mkdir(a *pb.FileActionMkDir) *pb.FileAction {
	return &pb.FileAction{Input: -1, Action: &pb.FileAction_Mkdir{Mkdir: a}}
}

// mkfile returns an action on scratch that creates a file.
func mkfile(a *pb.FileActionMkFile) *pb.FileAction {
	return &pb.FileAction{Input: -1, Action: &pb.FileAction_Mkfile{Mkfile: a}}
}

// symlink returns an action on scratch that creates a symbolic link.
func symlink(a *pb.FileActionSymlink) *pb.FileAction {
	return &pb.FileAction{Input: -1, Action: &pb.FileAction_Symlink{Symlink: a}}
}

// rm returns an action on scratch that removes a file.
func rm(a *pb.FileActionRm) *pb.FileAction {
	return &pb.FileAction{Input: -1, Action: &pb.FileAction_Rm{Rm: a}}
}

// byID returns the LLB form of a user or group with the numeric id n, for the owner that an
// action sets.
func byID(n uint32) *pb.UserOpt { return &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: n}} }

// byName returns the LLB form of a user or group with the given name, for the owner that an
// action sets. The name is looked up in the account files of the input with the given index.
func byName(name string, input int64) *pb.UserOpt {
	return &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: name, Input: input}}}
}

// TestActions checks the result or the error of each kind of action except copy, and that
// actions do not change their inputs.
func TestActions(t *testing.T) {
	s := newStore(t)
	base := treeOf(t, s, map[string]string{"d/f": "f", "d/g": "g"})
	const dir = "d 0755 0:0 100000000000\n"
	const baseListing = "d 0755 0:0 -6795364578871345152\nd/f 0644 0:0 -6795364578871345152 \"f\"\nd/g 0644 0:0 -6795364578871345152 \"g\"\n"
	for _, tc := range []struct {
		about  string
		action *pb.FileAction
		want   string // lines of the listing that changed, or the start of the error
	}{
		{"mkdir", mkdir(&pb.FileActionMkDir{Path: "/n", Mode: 0o1711, Timestamp: 5}), "n 0711 0:0 5\n"},
		{"mkdir now", mkdir(&pb.FileActionMkDir{Path: "/n", Mode: 0o700, Timestamp: -1}), "n 0700 0:0 100000000000\n"},
		{"mkdir with a user", mkdir(&pb.FileActionMkDir{Path: "/n", Mode: 0o700, Timestamp: 5, Owner: &pb.ChownOpt{User: byID(7)}}), "n 0700 7:7 5\n"},
		{"mkdir with a user and a group", mkdir(&pb.FileActionMkDir{Path: "/n", Mode: 0o700, Timestamp: 5, Owner: &pb.ChownOpt{User: byID(7), Group: byID(8)}}), "n 0700 7:8 5\n"},
		{"mkdir of an existing directory", mkdir(&pb.FileActionMkDir{Path: "/d", Mode: 0o700, Timestamp: 5}), ""},
		{"mkdir without a parent", mkdir(&pb.FileActionMkDir{Path: "/n/m", Mode: 0o700}), "mkdir /n/m: "},
		{"mkdir with parents", mkdir(&pb.FileActionMkDir{Path: "/n/m", Mode: 0o700, MakeParents: true, Timestamp: 5}), "n 0700 0:0 100000000000\nn/m 0700 0:0 5\n"},
		{"mkfile", mkfile(&pb.FileActionMkFile{Path: "/n", Mode: 0o600, Data: []byte("x"), Timestamp: 5}), "n 0600 0:0 5 \"x\"\n"},
		{"mkfile over a file", mkfile(&pb.FileActionMkFile{Path: "/d/f", Mode: 0o600, Data: []byte("x"), Timestamp: 5}), dir + "d/f 0600 0:0 5 \"x\"\n"},
		{"mkfile over a directory", mkfile(&pb.FileActionMkFile{Path: "/d", Mode: 0o600}), "mkfile /d: is a directory"},
		{"symlink", symlink(&pb.FileActionSymlink{Oldpath: "../x", Newpath: "/n", Timestamp: 5}), "n 0777 0:0 5 -> ../x\n"},
		{"symlink over a file", symlink(&pb.FileActionSymlink{Oldpath: "x", Newpath: "/d/f"}), "symlink /d/f: file exists"},
		{"rm", rm(&pb.FileActionRm{Path: "/d/f"}), "d/f removed"},
		{"rm of a directory", rm(&pb.FileActionRm{Path: "/d"}), "d removed"},
		{"rm of a missing file", rm(&pb.FileActionRm{Path: "/d/x"}), "rm /d/x: no such file or directory"},
		{"rm of a missing file with AllowNotFound", rm(&pb.FileActionRm{Path: "/d/x", AllowNotFound: true}), ""},
		{"rm with a wildcard", rm(&pb.FileActionRm{Path: "/d/[f]", AllowWildcard: true}), "d/f removed"},
		{"rm of a name like a wildcard", rm(&pb.FileActionRm{Path: "/d/[f]"}), "rm /d/[f]: no such file or directory"},
		{"rm of the root", rm(&pb.FileActionRm{Path: "/"}), "rm /: the root cannot be removed"},
	} {
		tc.action.Input = 0
		list, err := Apply(t.Context(), &pb.FileOp{Actions: []*pb.FileAction{tc.action}}, []*tree.Node{base}, Env{Store: s, Now: now})
		if err != nil {
			if !strings.HasPrefix(err.Error(), tc.want) || !strings.Contains(tc.want, ": ") {
				t.Errorf("%s: error %v, want %q", tc.about, err, tc.want)
			}
			continue
		}
		got := changes(t, s, base, list[0].Tree)
		if got != tc.want {
			t.Errorf("%s:\n%swant\n%s", tc.about, got, tc.want)
		}
	}
	if got := listing(t, s, base); got != baseListing {
		t.Errorf("the input is now\n%swant\n%s", got, baseListing)
	}
}

// changes compares the listings of the trees lower and upper. It returns the lines that
// appear only in the listing of upper. If upper lacks a path of lower, it instead returns
// the first such path and the word "removed".
func changes(t *testing.T, s *tree.Store, lower, upper *tree.Node) string {
	t.Helper()
	var b strings.Builder
	old := listing(t, s, lower)
	for line := range strings.Lines(listing(t, s, upper)) {
		if !strings.Contains(old, line) {
			b.WriteString(line)
		}
	}
	var removed string
	for line := range strings.Lines(old) {
		name, _, _ := strings.Cut(line, " ")
		if testtree.Must(upper.Get(name)) == nil && removed == "" {
			removed = name + " removed"
		}
	}
	if removed != "" {
		return removed
	}
	return b.String()
}

// TestOutcomes checks that actions can refer to inputs of the operation and to outcomes of
// earlier actions by index. The Base of an outcome must be the input that the outcome
// starts from.
func TestOutcomes(t *testing.T) {
	s := newStore(t)
	in := []*tree.Node{treeOf(t, s, map[string]string{"a": "a"}), treeOf(t, s, map[string]string{"b": "b"})}
	on := func(input int64, path string) *pb.FileAction {
		a := mkdir(&pb.FileActionMkDir{Path: path, Mode: 0o755})
		a.Input = input
		return a
	}
	list, err := Apply(t.Context(), &pb.FileOp{Actions: []*pb.FileAction{on(1, "/x"), on(2, "/y"), on(-1, "/z"), on(4, "/w"), on(0, "/v")}}, in, Env{Store: s, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		base  int
		names string
	}{{1, "b x"}, {1, "b x y"}, {-1, "z"}, {-1, "w z"}, {0, "a v"}} {
		var names []string
		for _, e := range testtree.Must(list[i].Tree.Entries()) {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); list[i].Base != want.base || got != want.names {
			t.Errorf("action %d: %q from input %d, want %q from input %d", i, got, list[i].Base, want.names, want.base)
		}
	}
}

// TestFailedAction checks that Apply returns an ActionError with the index of the failed
// action, and the outcomes of the actions before it. If the context ends, the error must
// not be an ActionError.
func TestFailedAction(t *testing.T) {
	s := newStore(t)
	cause := rm(&pb.FileActionRm{Path: "/none"})
	cause.Input = 0
	list, err := Apply(t.Context(), &pb.FileOp{Actions: []*pb.FileAction{mkdir(&pb.FileActionMkDir{Path: "/d", Mode: 0o755}), cause}}, nil, Env{Store: s, Now: now})
	var of *ActionError
	if !errors.As(err, &of) || of.Index != 1 || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want an ActionError for action 1", err)
	}
	if len(list) != 1 || testtree.Must(list[0].Tree.Get("d")) == nil {
		t.Errorf("outcomes %v, want the outcome of action 0", list)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Apply(ctx, &pb.FileOp{Actions: []*pb.FileAction{cause}}, []*tree.Node{tree.Empty()}, Env{Store: s, Now: now}); !errors.Is(err, context.Canceled) || errors.As(err, &of) {
		t.Errorf("a canceled operation: error %v, want %v", err, context.Canceled)
	}
}

// TestOwnersByName checks that names of users and groups are looked up in /etc/passwd and
// /etc/group of the given tree, and that unknown names have the id 0.
func TestOwnersByName(t *testing.T) {
	s := newStore(t)
	in := []*tree.Node{
		treeOf(t, s, map[string]string{"etc/passwd": "app:x:7:8::/:\n", "etc/group": "staff:x:9:\n"}),
		treeOf(t, s, map[string]string{"f": ""}),
	}
	for _, tc := range []struct {
		owner *pb.ChownOpt
		want  string
	}{
		{&pb.ChownOpt{User: byName("app", 0)}, "7:8"},
		{&pb.ChownOpt{User: byName("app", 0), Group: byName("staff", 0)}, "7:9"},
		{&pb.ChownOpt{User: byName("app", 0), Group: byID(3)}, "7:3"},
		{&pb.ChownOpt{User: byName("none", 0), Group: byName("none", 0)}, "0:0"},
		{&pb.ChownOpt{User: byName("app", 1), Group: byName("staff", 1)}, "0:0"},
		{&pb.ChownOpt{Group: byName("staff", 0)}, "0:9"},
	} {
		m := testtree.Must(apply(t, s, in, mkdir(&pb.FileActionMkDir{Path: "/n", Owner: tc.owner})).Get("n")).Meta()
		if got := fmt.Sprintf("%d:%d", m.UID, m.GID); got != tc.want {
			t.Errorf("%v: owner %s, want %s", tc.owner, got, tc.want)
		}
	}
	broken := []*tree.Node{treeOf(t, s, map[string]string{"etc/passwd/x": "", "etc/group/x": ""})}
	for _, owner := range []*pb.ChownOpt{{User: byName("app", 0)}, {Group: byName("app", 0)}} {
		_, err := Apply(t.Context(), &pb.FileOp{Actions: []*pb.FileAction{mkdir(&pb.FileActionMkDir{Path: "/n", Owner: owner})}}, broken, Env{Store: s, Now: now})
		if err == nil || !strings.Contains(err.Error(), "is a directory") {
			t.Errorf("%v, if the account file is a directory: error %v, want is a directory", owner, err)
		}
	}
}
