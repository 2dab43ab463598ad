package cachemap

import (
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/contenthash"
)

// process returns an exec operation with input 0 as its root and with the given mounts. If
// change is not nil, it may modify the operation.
func process(change func(*pb.Op, *pb.ExecOp), mounts ...*pb.Mount) *pb.Op {
	exec := &pb.ExecOp{
		Meta:   &pb.Meta{Args: []string{"sh"}, Cwd: "/", ExtraHosts: []*pb.HostIP{{Host: "h", IP: "10.0.0.1"}}},
		Mounts: append([]*pb.Mount{{Dest: "/", Input: 0, Output: 0}}, mounts...),
	}
	op := &pb.Op{
		Inputs:   []*pb.Input{{Digest: "sha256:a"}, {Digest: "sha256:b"}},
		Op:       &pb.Op_Exec{Exec: exec},
		Platform: &pb.Platform{OS: "linux", Architecture: "amd64"},
	}
	if change != nil {
		change(op, exec)
	}
	return op
}

// cacheMount returns a cache mount at /c.
func cacheMount(id string, sharing pb.CacheSharingOpt) *pb.Mount {
	return &pb.Mount{
		Dest: "/c", Input: -1, Output: -1, MountType: pb.MountType_CACHE,
		CacheOpt: &pb.CacheOpt{ID: id, Sharing: sharing},
	}
}

// TestExecDigest checks which fields of an exec operation its digest covers. BuildKit
// defines them in CacheMap of solver/llbsolver/ops/exec.go.
func TestExecDigest(t *testing.T) {
	of := func(op *pb.Op) string {
		t.Helper()
		m, err := Of(op)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Digest)
	}
	src := &pb.Mount{Dest: "/src", Input: 1, Output: -1, Selector: "/a", Readonly: true}
	for _, tc := range []struct {
		about string
		a, b  *pb.Op
		same  bool
	}{
		{"arguments", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Meta.Args = []string{"ls"} }), false},
		{"environment", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Meta.Env = []string{"A=1"} }), false},
		{"network", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Network = pb.NetMode_NONE }), false},
		{"architecture", process(nil), process(func(o *pb.Op, _ *pb.ExecOp) { o.Platform.Architecture = "arm64" }), false},
		{"operating system", process(nil), process(func(o *pb.Op, _ *pb.ExecOp) { o.Platform.OS = "windows" }), false},
		{"variant", process(nil), process(func(o *pb.Op, _ *pb.ExecOp) { o.Platform.Variant = "v2" }), false},
		{"name of a host", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Meta.ExtraHosts[0].Host = "i" }), false},
		{"address of a host", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Meta.ExtraHosts[0].IP = "10.0.0.2" }), true},
		{"proxy", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Meta.ProxyEnv = &pb.ProxyEnv{HttpProxy: "p"} }), true},
		{"digests of inputs", process(nil), process(func(o *pb.Op, _ *pb.ExecOp) { o.Inputs[0].Digest = "sha256:c" }), true},
		{"a mount more", process(nil), process(nil, src), false},
		{"selector of a mount", process(nil, src), process(nil, &pb.Mount{Dest: "/src", Input: 1, Output: -1, Selector: "/b", Readonly: true}), true},
		{"target of a mount", process(nil, src), process(nil, &pb.Mount{Dest: "/b", Input: 1, Output: -1, Selector: "/a", Readonly: true}), false},
		{"id of a cache mount", process(nil, cacheMount("one", pb.CacheSharingOpt_SHARED)), process(nil, cacheMount("two", pb.CacheSharingOpt_SHARED)), true},
		{"default id of a cache mount", process(nil, cacheMount("/c", pb.CacheSharingOpt_SHARED)), process(nil, cacheMount("two", pb.CacheSharingOpt_SHARED)), false},
		{"default id with a namespace", process(nil, cacheMount("ns//c", pb.CacheSharingOpt_SHARED)), process(nil, cacheMount("two", pb.CacheSharingOpt_SHARED)), false},
		{"sharing of a cache mount", process(nil, cacheMount("/c", pb.CacheSharingOpt_LOCKED)), process(nil, cacheMount("two", pb.CacheSharingOpt_SHARED)), true},
		{"read-only root", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Mounts[0].Readonly = true }), false},
		{"output of the only mount", process(nil), process(func(_ *pb.Op, e *pb.ExecOp) { e.Mounts[0].Output = -1 }), true},
	} {
		if same := of(tc.a) == of(tc.b); same != tc.same {
			t.Errorf("%s: the digests are the same: %v, want %v", tc.about, same, tc.same)
		}
	}
}

// TestExecInputs checks for which mounts the cache key covers the content of the mounted
// files instead of the cache key of the input. BuildKit defines this in getMountDeps of
// solver/llbsolver/ops/exec.go.
func TestExecInputs(t *testing.T) {
	const on, off = pb.MountContentCache_ON, pb.MountContentCache_OFF
	for _, tc := range []struct {
		about     string
		mount     *pb.Mount
		byContent bool
	}{
		{"read-only", &pb.Mount{Dest: "/m", Input: 1, Output: 1, Selector: "/a", Readonly: true}, true},
		{"without output", &pb.Mount{Dest: "/m", Input: 1, Output: -1, Selector: "/a"}, true},
		{"writable with output, whole input", &pb.Mount{Dest: "/m", Input: 1, Output: 1}, true},
		{"writable with output, a part", &pb.Mount{Dest: "/m", Input: 1, Output: 1, Selector: "/a"}, false},
		{"switched off", &pb.Mount{Dest: "/m", Input: 1, Output: -1, ContentCache: off}, false},
		{"switched on", &pb.Mount{Dest: "/m", Input: 1, Output: -1, ContentCache: on}, true},
		{"root", &pb.Mount{Dest: "/", Input: 1, Output: -1}, false},
		{"root, switched on", &pb.Mount{Dest: "/", Input: 1, Output: -1, ContentCache: on}, true},
		{"cache", &pb.Mount{Dest: "/m", Input: 1, Output: -1, MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: "c"}}, true},
		{"secret", &pb.Mount{Dest: "/m", Input: 1, Output: -1, MountType: pb.MountType_SECRET}, false},
	} {
		m, err := Of(process(nil, tc.mount))
		if err != nil {
			t.Fatalf("%s: %v", tc.about, err)
		}
		if got := m.Inputs[1].ByContent; got != tc.byContent {
			t.Errorf("%s: by content: %v, want %v", tc.about, got, tc.byContent)
		}
		if tc.mount.MountType != pb.MountType_SECRET && m.Inputs[1].Whole == tc.byContent {
			t.Errorf("%s: whole: %v, want %v", tc.about, m.Inputs[1].Whole, !tc.byContent)
		}
		if m.Inputs[0].ByContent {
			t.Errorf("%s: the root is matched by content, want its identity", tc.about)
		}
	}
	unsafe := &pb.Mount{Dest: "/m", Input: 1, Output: 1, Selector: "/a", ContentCache: on}
	if _, err := Of(process(nil, unsafe)); err == nil || !strings.Contains(err.Error(), "invalid mount cache content") {
		t.Errorf("a writable mount of a part with an output: error %v, want invalid mount cache content", err)
	}
}

// TestExecSelectors checks the cache map of an operation that mounts the same input
// several times. The field Content must select only the outermost mounted paths, and
// the field ByContent must have the value for the last mount.
func TestExecSelectors(t *testing.T) {
	mount := func(selector string, content pb.MountContentCache) *pb.Mount {
		return &pb.Mount{Dest: "/m" + selector, Input: 1, Output: -1, Selector: selector, ContentCache: content}
	}
	const by, off = pb.MountContentCache_DEFAULT, pb.MountContentCache_OFF
	m, err := Of(process(nil, mount("/b", by), mount("/a/x", by), mount("/a", by), mount("/ab", by)))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, s := range m.Inputs[1].Content {
		if !s.FollowLinks {
			t.Errorf("links of %s are not followed", s.Path)
		}
		paths = append(paths, s.Path)
	}
	if want := []string{"/a", "/ab", "/b"}; !slices.Equal(paths, want) {
		t.Errorf("selected paths: %v, want %v", paths, want)
	}
	all, err := Of(process(nil, mount("/b", by), mount("", by)))
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Inputs[1].Content) != 0 {
		t.Errorf("selected: %v, want everything", all.Inputs[1].Content)
	}
	for _, tc := range []struct {
		mounts                     []*pb.Mount
		byContent, whole, suffices bool
	}{
		{[]*pb.Mount{mount("/a", off), mount("/b", by)}, true, true, false},
		{[]*pb.Mount{mount("/a", by), mount("/b", off)}, false, true, false},
		{[]*pb.Mount{mount("/a", by), mount("/b", by)}, true, false, true},
		{[]*pb.Mount{mount("/a", off), mount("", by)}, true, true, true},
	} {
		m, err := Of(process(nil, tc.mounts...))
		if err != nil {
			t.Fatal(err)
		}
		if in := m.Inputs[1]; in.ByContent != tc.byContent || in.Whole != tc.whole || in.ContentSuffices() != tc.suffices {
			t.Errorf("%v: by content %v, whole %v, content suffices %v, want %v, %v and %v", tc.mounts, in.ByContent, in.Whole, in.ContentSuffices(), tc.byContent, tc.whole, tc.suffices)
		}
	}
}

// TestFileInputs checks the cache maps of file operations. If actions only read from an
// input, the cache key must cover the content of the files that they read, and not the
// whole input.
func TestFileInputs(t *testing.T) {
	action := func(in, second, out int64, src string) *pb.FileAction {
		return &pb.FileAction{
			Input: in, SecondaryInput: second, Output: out,
			Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Src: src, Dest: "/"}},
		}
	}
	of := func(actions ...*pb.FileAction) Map {
		t.Helper()
		m, err := Of(&pb.Op{Inputs: []*pb.Input{{}, {}}, Op: &pb.Op_File{File: &pb.FileOp{Actions: actions}}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := of(action(0, 1, 0, "/dir/f"))
	if m.Inputs[0].ByContent || !m.Inputs[1].ByContent {
		t.Errorf("by content: %v and %v, want false and true", m.Inputs[0].ByContent, m.Inputs[1].ByContent)
	}
	if want := []contenthash.Selector{{Path: "/dir/f"}}; len(m.Inputs[1].Content) != 1 || m.Inputs[1].Content[0].Path != want[0].Path {
		t.Errorf("selected: %v, want %v", m.Inputs[1].Content, want)
	}
	if other := of(action(0, 1, 0, "/other/f")); other.Digest != m.Digest || other.Inputs[1].Selector == m.Inputs[1].Selector {
		t.Error("another directory of the source must change the selector, and nothing else")
	}
	if other := of(action(0, 1, 0, "/dir/g")); other.Digest == m.Digest {
		t.Error("another name of the source must change the digest")
	}
	if len(m.Copies) > 0 {
		t.Errorf("Copies is %v, want none", m.Copies)
	}
	mutual := of(action(0, 1, -1, "/f"), action(1, 0, 0, "/g"))
	if mutual.Inputs[1].ByContent {
		t.Error("a changed input is matched by content, want its identity")
	}
	if want := []Copy{{0, "/f"}, {1, "/g"}}; !slices.Equal(mutual.Copies, want) {
		t.Errorf("Copies is %v, want %v", mutual.Copies, want)
	}
	if swapped := of(action(1, 0, 0, "/dir/f")); swapped.Digest == m.Digest {
		t.Error("inputs in another order must change the digest")
	}
	owner := action(0, 1, 0, "/f")
	owner.GetCopy().Owner = &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: "u", Input: 1}}}}
	var paths []string
	for _, s := range of(owner).Inputs[1].Content {
		paths = append(paths, s.Path)
	}
	if want := []string{"/etc/passwd", "/f"}; !slices.Equal(paths, want) {
		t.Errorf("selected: %v, want %v", paths, want)
	}
}

// TestOutput checks that Output returns different keys for two outputs of an operation and
// for content, and that OfSource returns different digests for different sources.
func TestOutput(t *testing.T) {
	seen := map[string]bool{}
	for _, i := range []int{Content, 0, 1} {
		seen[string(Output("sha256:a", i))] = true
	}
	if len(seen) != 3 {
		t.Errorf("three outputs have %d digests, want 3", len(seen))
	}
	if OfSource("a").Digest == OfSource("b").Digest {
		t.Error("two sources have the same digest")
	}
}

// TestAccounts checks which names each kind of action looks up, and in which account file.
func TestAccounts(t *testing.T) {
	named := func(name string, input int64) *pb.UserOpt {
		return &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: name, Input: input}}}
	}
	owner := &pb.ChownOpt{User: named("u", 1), Group: named("g", 2)}
	want := []Account{{1, "/etc/passwd", "u"}, {2, "/etc/group", "g"}}
	for _, a := range []*pb.FileAction{
		{Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{Owner: owner}}},
		{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Owner: owner}}},
		{Action: &pb.FileAction_Mkfile{Mkfile: &pb.FileActionMkFile{Owner: owner}}},
		{Action: &pb.FileAction_Symlink{Symlink: &pb.FileActionSymlink{Owner: owner}}},
	} {
		if got := Accounts(a); !slices.Equal(got, want) || Owner(a) != owner {
			t.Errorf("%T: accounts %v, want %v", a.Action, got, want)
		}
	}
	number := &pb.UserOpt{User: &pb.UserOpt_ByID{ByID: 7}}
	for _, a := range []*pb.FileAction{
		{Action: &pb.FileAction_Rm{Rm: &pb.FileActionRm{}}},
		{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{}}},
		{Action: &pb.FileAction_Mkdir{Mkdir: &pb.FileActionMkDir{Owner: &pb.ChownOpt{User: number, Group: number}}}},
	} {
		if got := Accounts(a); len(got) > 0 {
			t.Errorf("%T: accounts %v, want none", a.Action, got)
		}
	}
}

// TestMountInput checks that only bind mounts and cache mounts have an input.
func TestMountInput(t *testing.T) {
	for kind, want := range map[pb.MountType]int64{
		pb.MountType_BIND: 3, pb.MountType_CACHE: 3, pb.MountType_TMPFS: -1, pb.MountType_SECRET: -1, pb.MountType_SSH: -1,
	} {
		if got := MountInput(&pb.Mount{MountType: kind, Input: 3}); got != want {
			t.Errorf("%s: input %d, want %d", kind, got, want)
		}
	}
}
