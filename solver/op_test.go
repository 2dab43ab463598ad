package solver

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// files returns a snapshot with regular files. The map contains the text of each file by
// its path.
func files(t *testing.T, store *tree.Store, content map[string]string) *snapshot.Snapshot {
	t.Helper()
	e := tree.Edit(tree.Empty())
	for name, text := range content {
		blob, err := store.PutBytes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if dir, _, ok := strings.Cut(name, "/"); ok {
			if _, err := e.MkdirAll(dir, tree.Meta{Mode: 0o755}); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, blob)); err != nil {
			t.Fatal(err)
		}
	}
	return snapshot.New(e.Tree(), nil)
}

// keyOf returns the digest of the cache key of an operation with the given inputs. In place
// of the cache key of an input, it uses a digest of the input's index, so that only the
// content of the inputs can affect the result.
func keyOf(t *testing.T, op *pb.Op, inputs []*snapshot.Snapshot) digest.Digest {
	t.Helper()
	for range inputs {
		op.Inputs = append(op.Inputs, &pb.Input{})
	}
	v := &Vertex{Op: op, Meta: &pb.OpMetadata{}, Inputs: make([]Edge, len(inputs))}
	m, err := newOp(&env{}, v).CacheMap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := Key{Parts: m.Parts}
	for i, d := range m.Deps {
		parts := m.identityParts(i, digest.FromString(strings.Repeat("x", i)))
		if d.Content != nil {
			if parts, err = d.Content(t.Context(), inputs[i]); err != nil {
				t.Fatal(err)
			}
		}
		key.Parts = append(key.Parts, parts...)
	}
	return key.Digest()
}

// copyOp returns an operation that copies the file /dir/f of its second input to the root
// of its first input. If change is not nil, it may modify the action.
func copyOp(change func(*pb.FileAction)) *pb.Op {
	a := &pb.FileAction{
		Input: 0, SecondaryInput: 1, Output: 0,
		Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: "/dir/f", Dest: "/", Mode: -1, Timestamp: -1}},
	}
	if change != nil {
		change(a)
	}
	return &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{a}}}}
}

// TestCopyKey checks that the cache key of a copy depends on the content of the files that
// it copies and on the account files that it reads, and on no other files of the source.
func TestCopyKey(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	base := files(t, store, nil)
	src := func(content map[string]string) []*snapshot.Snapshot {
		return []*snapshot.Snapshot{base, files(t, store, content)}
	}
	plain := keyOf(t, copyOp(nil), src(map[string]string{"dir/f": "1"}))
	byName := func(a *pb.FileAction) {
		name := &pb.NamedUserOpt{Name: "u", Input: 1}
		a.GetCopy().Owner = &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: name}}}
	}
	groupByName := func(a *pb.FileAction) {
		name := &pb.NamedUserOpt{Name: "g", Input: 1}
		a.GetCopy().Owner = &pb.ChownOpt{Group: &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: name}}}
	}
	within := func(src string) func(*pb.FileAction) {
		return func(a *pb.FileAction) { a.SecondaryInput, a.GetCopy().Src = 0, src }
	}
	for _, tc := range []struct {
		about string
		a, b  digest.Digest
		same  bool
	}{
		{"content", plain, keyOf(t, copyOp(nil), src(map[string]string{"dir/f": "2"})), false},
		{"another file of the source", plain, keyOf(t, copyOp(nil), src(map[string]string{"dir/f": "1", "g": "3"})), true},
		{"another directory of the source", plain, keyOf(t, copyOp(func(a *pb.FileAction) { a.GetCopy().Src = "/e/f" }), src(map[string]string{"e/f": "1"})), true},
		{"destination", plain, keyOf(t, copyOp(func(a *pb.FileAction) { a.GetCopy().Dest = "/d" }), src(map[string]string{"dir/f": "1"})), false},
		{"platform", plain, keyOf(t, func() *pb.Op {
			op := copyOp(nil)
			op.Platform = &pb.Platform{OS: "linux", Architecture: "arm64"}
			return op
		}(), src(map[string]string{"dir/f": "1"})), true},
		{"users", keyOf(t, copyOp(byName), src(map[string]string{"dir/f": "1", "etc/passwd": "u:x:1:1::/:"})), keyOf(t, copyOp(byName), src(map[string]string{"dir/f": "1", "etc/passwd": "u:x:2:2::/:"})), false},
		{"groups for a user", keyOf(t, copyOp(byName), src(map[string]string{"dir/f": "1", "etc/group": "g:x:1:"})), keyOf(t, copyOp(byName), src(map[string]string{"dir/f": "1", "etc/group": "g:x:2:"})), true},
		{"groups", keyOf(t, copyOp(groupByName), src(map[string]string{"dir/f": "1", "etc/group": "g:x:1:"})), keyOf(t, copyOp(groupByName), src(map[string]string{"dir/f": "1", "etc/group": "g:x:2:"})), false},
		{"source of a copy within a tree", keyOf(t, copyOp(within("/a/f")), src(nil)), keyOf(t, copyOp(within("/b/f")), src(nil)), false},
	} {
		if same := tc.a == tc.b; same != tc.same {
			t.Errorf("%s: the keys are the same: %v, want %v", tc.about, same, tc.same)
		}
	}
}

// TestCopyWithinIsNotExported checks that a copy within one input is not exported to
// caches. BuildKit's digest of such a copy does not cover the source path, so another
// build could get wrong files from the cache.
func TestCopyWithinIsNotExported(t *testing.T) {
	for second, exported := range map[int64]bool{0: false, 1: true} {
		op := copyOp(func(a *pb.FileAction) { a.SecondaryInput = second })
		op.Inputs = []*pb.Input{{}, {}}
		m, err := newOp(&env{}, &Vertex{Op: op, Inputs: make([]Edge, 2)}).CacheMap(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Exported.Digest != ""; got != exported {
			t.Errorf("source in input %d: exported: %v, want %v", second, got, exported)
		}
	}
}

// mountOp returns an exec operation that runs "true", with its first input mounted at "/"
// and with the given mounts.
func mountOp(mounts ...*pb.Mount) *pb.Op {
	return &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
		Meta:   &pb.Meta{Args: []string{"true"}, Cwd: "/"},
		Mounts: append([]*pb.Mount{{Dest: "/", Input: 0, Output: 0}}, mounts...),
	}}}
}

// TestMountKey checks how mounts affect the cache key of a process. If all mounts of an
// input are read-only, the key covers only the content of the selected files. If one mount
// is writable, the key covers the cache key of the input instead, because later steps see
// the other files of the input.
func TestMountKey(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	read := func(selector string) *pb.Mount {
		return &pb.Mount{Dest: "/m", Input: 1, Output: -1, Selector: selector, Readonly: true}
	}
	write := func(selector string) *pb.Mount {
		return &pb.Mount{Dest: "/w", Input: 1, Output: 1, Selector: selector}
	}
	in := func(content map[string]string) []*snapshot.Snapshot {
		return []*snapshot.Snapshot{files(t, store, nil), files(t, store, content)}
	}
	one := in(map[string]string{"a/f": "1", "b/f": "1"})
	other := in(map[string]string{"a/f": "1", "b/f": "2"})
	for _, tc := range []struct {
		about string
		a, b  digest.Digest
		same  bool
	}{
		{"content that is not selected", keyOf(t, mountOp(read("/a")), one), keyOf(t, mountOp(read("/a")), other), true},
		{"selected content", keyOf(t, mountOp(read("/b")), one), keyOf(t, mountOp(read("/b")), other), false},
		{"the same content elsewhere", keyOf(t, mountOp(read("/a")), one), keyOf(t, mountOp(read("/b")), one), true},
		{"a writable part, elsewhere", keyOf(t, mountOp(write("/a")), one), keyOf(t, mountOp(write("/b")), one), false},
		{"a writable part, other content with the same identity", keyOf(t, mountOp(write("/a")), one), keyOf(t, mountOp(write("/a")), other), true},
		{"a writable and a read-only mount", keyOf(t, mountOp(write("/a"), read("/a")), one), keyOf(t, mountOp(write("/b"), read("/a")), one), false},
	} {
		if same := tc.a == tc.b; same != tc.same {
			t.Errorf("%s: the keys are the same: %v, want %v", tc.about, same, tc.same)
		}
	}
	op := mountOp(write("/a"), read("/a"))
	op.Inputs = []*pb.Input{{}, {}}
	m, err := newOp(&env{}, &Vertex{Op: op, Inputs: make([]Edge, 2)}).CacheMap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Deps[1].Content != nil {
		t.Error("the key covers an input with a writable mount by content, want its identity")
	}
}

// TestProcess checks that an exec operation passes the user, network mode and environment
// of its definition to the runner. Security and network modes that are invalid or not
// permitted must result in an error.
func TestProcess(t *testing.T) {
	op := mountOp()
	e := op.GetExec()
	e.Meta.ProxyEnv = &pb.ProxyEnv{HttpProxy: "http://p"}
	e.Meta.User, e.Meta.Hostname, e.Network = "u", "h", pb.NetMode_NONE
	r := &recorder{}
	b := newEnv(t.Context(), Options{Runner: r, Now: func() time.Time { return time.Time{} }})
	v := &Vertex{Op: op, Inputs: make([]Edge, 1)}
	if _, err := newOp(b, v).Run(t.Context(), []*snapshot.Snapshot{nil}); err != nil {
		t.Fatal(err)
	}
	p := r.last
	if p.User != "u" || p.Hostname != "h" || p.Network != runner.NetworkNone || p.Insecure {
		t.Errorf("process %+v, want user u, host name h, no network and no privileges", p)
	}
	for _, kv := range []string{"HTTP_PROXY=http://p", "http_proxy=http://p", "PATH=" + unixPath} {
		if !slices.Contains(p.Env, kv) {
			t.Errorf("environment %q lacks %s", p.Env, kv)
		}
	}
	for _, tc := range []struct {
		about  string
		change func(*pb.ExecOp)
		opt    Options
		want   string
	}{
		{"insecure", func(e *pb.ExecOp) { e.Security = pb.SecurityMode_INSECURE }, Options{HostNetwork: true}, "security.insecure is not allowed"},
		{"host network", func(e *pb.ExecOp) { e.Network = pb.NetMode_HOST }, Options{Insecure: true}, "network.host is not allowed"},
		{"unknown security mode", func(e *pb.ExecOp) { e.Security = 7 }, Options{Insecure: true}, "invalid security mode 7"},
		{"unknown network mode", func(e *pb.ExecOp) { e.Network = 7 }, Options{HostNetwork: true}, "invalid network mode 7"},
	} {
		op := mountOp()
		tc.change(op.GetExec())
		tc.opt.Runner = r
		_, err := newOp(newEnv(t.Context(), tc.opt), &Vertex{Op: op, Inputs: make([]Edge, 1)}).Run(t.Context(), []*snapshot.Snapshot{nil})
		if err == nil || err.Error() != tc.want {
			t.Errorf("%s: error %v, want %s", tc.about, err, tc.want)
		}
	}
}

// TestErrorLocations checks that the error of an operation without locations gets the
// locations of the first operation that depends on it.
func TestErrorLocations(t *testing.T) {
	at := []Location{{Ranges: []*pb.Range{{Start: &pb.Position{Line: 7}}}}}
	op := func(name string) *pb.Op {
		return &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{Meta: &pb.Meta{Args: []string{name}}}}}
	}
	cause := errors.New("cause")
	download := (&task{v: &Vertex{Op: op("download")}}).failed(cause)
	for _, tc := range []struct {
		about string
		err   error
		lines int
	}{
		{"without locations", download, 0},
		{"input of an operation", (&task{v: &Vertex{Op: op("add"), Locations: at}}).located(download), 1},
		{"returned by the operation", (&task{v: &Vertex{Op: op("add"), Locations: at}}).failed(download), 1},
	} {
		var of *Error
		if !errors.As(tc.err, &of) || !errors.Is(tc.err, cause) {
			t.Fatalf("%s: error %v", tc.about, tc.err)
		}
		if len(of.Locations) != tc.lines || of.Vertex.Name() != "download" {
			t.Errorf("%s: %d locations of %s, want %d of download", tc.about, len(of.Locations), of.Vertex.Name(), tc.lines)
		}
	}
}
