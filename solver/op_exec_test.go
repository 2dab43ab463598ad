package solver

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/crypto/ssh/agent"

	"slipway/internal/fakeagent"
	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// recorder is a fake runner. It runs no process, but records the process passed to the last
// call of Run.
type recorder struct{ last *runner.Process }

func (r *recorder) Run(_ context.Context, p *runner.Process) ([]*tree.Node, error) {
	r.last = p
	out := make([]*tree.Node, len(p.Mounts))
	for i, m := range p.Mounts {
		if m.Output {
			out[i] = m.Tree
		}
	}
	return out, nil
}

// oneSecret is a fake [Mounts] with a single secret, whose id is "known".
type oneSecret struct{ Mounts }

func (oneSecret) Secret(_ context.Context, id string) ([]byte, bool, error) {
	if id != "known" {
		return nil, false, nil
	}
	return []byte("value"), true, nil
}

// runExec adds a root file system with the directory /d to op, evaluates op, and returns
// the process that the runner receives.
func runExec(t *testing.T, mounts Mounts, op *pb.ExecOp) (*runner.Process, error) {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	b := New(t.Context(), Options{
		Store: s, Cache: NewMemoryCache(), Sources: emptySources{}, Runner: r, Mounts: mounts,
		Now: func() time.Time { return time.Unix(0, 0) },
	})
	defer b.Wait()
	op.Mounts = append([]*pb.Mount{{Input: 0, Dest: "/", Output: 0}}, op.Mounts...)
	g, err := Load(marshal(t, mkdirs(func(int) string { return "/d" })(0), &pb.Op{Op: &pb.Op_Exec{Exec: op}}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Result(g).Snapshot(t.Context())
	return r.last, err
}

// TestProcessLimits checks that the resource limits of a process come from the metadata of
// the operation, which is not part of the cache key.
func TestProcessLimits(t *testing.T) {
	o := &execOp{op: &pb.ExecOp{Meta: &pb.Meta{Args: []string{"a"}}}}
	o.v = &Vertex{Op: &pb.Op{}, Meta: &pb.OpMetadata{}}
	if got := o.process().Resources; got != (runner.Resources{}) {
		t.Errorf("without limits: got %+v, want zero", got)
	}
	o.v.Meta.LinuxResources = &pb.LinuxResources{Memory: 1, MemorySwap: 2, CpuShares: 3, CpuPeriod: 4, CpuQuota: 5, CpusetCpus: "6", CpusetMems: "7"}
	want := runner.Resources{Memory: 1, MemorySwap: 2, CPUShares: 3, CPUPeriod: 4, CPUQuota: 5, CPUSetCPUs: "6", CPUSetMems: "7"}
	if got := o.process().Resources; got != want {
		t.Errorf("limits %+v, want %+v", got, want)
	}
}

// cacheNames is a fake [Mounts] that only names cache mounts. A name consists of the id of
// the cache mount and the ID of the snapshot with the initial files.
type cacheNames struct{ Mounts }

func (cacheNames) CacheName(id string, from *snapshot.Snapshot) string {
	return id + " " + string(from.ID())
}

// oneCache is a fake [Mounts] that returns the same directory for every cache mount. It
// records the snapshot with the initial files from the last call.
type oneCache struct {
	cacheNames
	dir  string
	from *snapshot.Snapshot
}

func (c *oneCache) Cache(_ context.Context, _ string, _ pb.CacheSharingOpt, from *snapshot.Snapshot) (string, func(), error) {
	c.from = from
	return c.dir, func() {}, nil
}

// TestCacheMountSource checks a cache mount with the options from and source (RUN
// --mount=type=cache,from=X,source=PATH). Its directory must start as a copy of the whole
// snapshot, although only the source path is mounted.
func TestCacheMountSource(t *testing.T) {
	c := &oneCache{dir: "/cache"}
	p, err := runExec(t, c, &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"},
		Mounts: []*pb.Mount{{
			Input: 0, Output: -1, Dest: "/m", Selector: "/f", MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: "id"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if m := p.Mounts[1]; m.Kind != runner.MountDir || m.HostPath != "/cache" || m.Source != "/f" {
		t.Errorf("the mount is %+v, want /f of /cache", m)
	}
	if c.from.ID() == "" || testtree.Must(testtree.Of(c.from).Get("d")) == nil {
		t.Errorf("the cache starts as result %q with the files %q, want a result with d", c.from.ID(), testtree.Must(tree.Edit(testtree.Of(c.from)).Names("")))
	}
}

// newCaches is a fake [Mounts] that returns a new directory for each call of Cache:
// "/cache1", "/cache2" and so on.
type newCaches struct {
	cacheNames
	calls []string // per call, the id and whether the cache starts empty
}

func (c *newCaches) Cache(_ context.Context, id string, _ pb.CacheSharingOpt, from *snapshot.Snapshot) (string, func(), error) {
	c.calls = append(c.calls, fmt.Sprintf("%s %t", id, from.ID() == (*snapshot.Snapshot)(nil).ID()))
	return fmt.Sprint("/cache", len(c.calls)), func() {}, nil
}

// TestCacheTwice checks that a process with two mounts of the same cache requests its
// directory only once. A second request for a locked cache mount would wait forever.
func TestCacheTwice(t *testing.T) {
	cache := func(dest, id string, input int64, sharing pb.CacheSharingOpt) *pb.Mount {
		return &pb.Mount{Input: input, Output: -1, Dest: dest, MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: id, Sharing: sharing}}
	}
	p, err := runExec(t, &newCaches{}, &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"},
		Mounts: []*pb.Mount{
			cache("/a", "id", -1, pb.CacheSharingOpt_LOCKED), cache("/b", "id", -1, pb.CacheSharingOpt_SHARED),
			cache("/c", "id", 0, pb.CacheSharingOpt_SHARED), cache("/d", "other", -1, pb.CacheSharingOpt_LOCKED),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range p.Mounts[1:] {
		got[m.Target] = m.HostPath
	}
	if want := map[string]string{"/a": "/cache1", "/b": "/cache1", "/c": "/cache2", "/d": "/cache3"}; !maps.Equal(got, want) {
		t.Errorf("the directories are %v, want %v", got, want)
	}
}

// TestCacheOrder checks that a process locks its caches in an order that does not depend
// on the order of the mounts. Two processes that lock the same caches in opposite orders
// could wait for each other forever.
func TestCacheOrder(t *testing.T) {
	var mounts []*pb.Mount
	for _, id := range []string{"a", "b", "c"} {
		for _, input := range []int64{-1, 0} {
			mounts = append(mounts, &pb.Mount{
				Input: input, Output: -1, Dest: fmt.Sprint("/", id, input), MountType: pb.MountType_CACHE,
				CacheOpt: &pb.CacheOpt{ID: id, Sharing: pb.CacheSharingOpt_LOCKED},
			})
		}
	}
	var calls [2][]string
	for i := range calls {
		c := &newCaches{}
		if _, err := runExec(t, c, &pb.ExecOp{Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, Mounts: mounts}); err != nil {
			t.Fatal(err)
		}
		calls[i] = c.calls
		slices.Reverse(mounts)
	}
	if len(calls[0]) != len(mounts) || !slices.Equal(calls[0], calls[1]) {
		t.Errorf("the caches are locked in the order %q, and in the order %q if the mounts are reversed", calls[0], calls[1])
	}
}

// TestSecrets checks secrets in environment variables and mounts. An optional secret that
// does not exist must set its variable to the empty string, which overrides the variable
// of the image, and must add no mount.
func TestSecrets(t *testing.T) {
	for _, mounts := range []Mounts{nil, oneSecret{}} {
		p, err := runExec(t, mounts, &pb.ExecOp{
			Meta:      &pb.Meta{Args: []string{"x"}, Env: []string{"TOKEN=image"}, Cwd: "/"},
			Secretenv: []*pb.SecretEnv{{ID: "none", Name: "TOKEN", Optional: true}},
			Mounts:    []*pb.Mount{{Input: -1, Output: -1, Dest: "/s", MountType: pb.MountType_SECRET, SecretOpt: &pb.SecretOpt{ID: "none", Optional: true}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if i, j := slices.Index(p.Env, "TOKEN=image"), slices.Index(p.Env, "TOKEN="); j <= i {
			t.Errorf("an optional secret: the environment is %q, want TOKEN= after TOKEN=image", p.Env)
		}
		if len(p.Mounts) != 1 {
			t.Errorf("an optional secret: the process has %d mounts, want the root only", len(p.Mounts))
		}
		_, err = runExec(t, mounts, &pb.ExecOp{
			Meta:      &pb.Meta{Args: []string{"x"}, Cwd: "/"},
			Secretenv: []*pb.SecretEnv{{ID: "none", Name: "TOKEN"}},
		})
		if err == nil || !strings.Contains(err.Error(), "secret none: not found") {
			t.Errorf("a required secret: error %v, want not found", err)
		}
	}
	p, err := runExec(t, oneSecret{}, &pb.ExecOp{
		Meta:      &pb.Meta{Args: []string{"x"}, Cwd: "/"},
		Secretenv: []*pb.SecretEnv{{ID: "known", Name: "TOKEN", Optional: true}},
	})
	if err != nil || !slices.Contains(p.Env, "TOKEN=value") {
		t.Errorf("the environment is %q, %v, want TOKEN=value", p.Env, err)
	}
}

// TestMountParents checks that directories that were created for mounts stay in the result
// of a step, unless the operation sets RemoveMountStubsRecursive.
func TestMountParents(t *testing.T) {
	for _, remove := range []bool{false, true} {
		p, err := runExec(t, nil, &pb.ExecOp{Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/", RemoveMountStubsRecursive: remove}})
		if err != nil || p.KeepMountParents == remove {
			t.Errorf("RemoveMountStubsRecursive %t: KeepMountParents is %t, %v, want %t", remove, p.KeepMountParents, err, !remove)
		}
	}
}

// TestRelativeMounts checks that a mount target without a leading slash is relative to the
// working directory, and that it cannot be the root.
func TestRelativeMounts(t *testing.T) {
	var mounts []*pb.Mount
	for _, dest := range []string{"m", "../t", "/abs", "./a/../c"} {
		mounts = append(mounts, &pb.Mount{Input: -1, Output: -1, Dest: dest, MountType: pb.MountType_TMPFS})
	}
	p, err := runExec(t, nil, &pb.ExecOp{Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/w/d"}, Mounts: mounts})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range p.Mounts {
		got = append(got, m.Target)
	}
	if want := []string{"/", "/abs", "/w/d/c", "/w/d/m", "/w/t"}; !slices.Equal(got, want) {
		t.Errorf("mounts at %q, want %q", got, want)
	}
	root := []*pb.Mount{{Input: -1, Output: -1, Dest: "..", MountType: pb.MountType_TMPFS}}
	if _, err := runExec(t, nil, &pb.ExecOp{Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/w"}, Mounts: root}); err == nil || !strings.Contains(err.Error(), "mount ..: the target is the root") {
		t.Errorf("a mount over the root: error %v, want one about the target", err)
	}
}

// TestMountsOfOneTarget checks that only the second of two mounts with the same target
// is mounted. The source of the first mount must still exist.
func TestMountsOfOneTarget(t *testing.T) {
	tmpfs := func(dest string, size int64) *pb.Mount {
		return &pb.Mount{Input: -1, Output: -1, Dest: dest, MountType: pb.MountType_TMPFS, TmpfsOpt: &pb.TmpfsOpt{Size: size}}
	}
	p, err := runExec(t, nil, &pb.ExecOp{
		Meta:   &pb.Meta{Args: []string{"x"}, Cwd: "/"},
		Mounts: []*pb.Mount{tmpfs("/m", 1), tmpfs("/other", 2), tmpfs("/m/", 3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range p.Mounts {
		got[m.Target] += m.Size
	}
	if want := map[string]int64{"/": 0, "/m": 3, "/other": 2}; !maps.Equal(got, want) {
		t.Errorf("sizes of the mounts %v, want %v", got, want)
	}
	// The source of a hidden mount must exist.
	bind := &pb.Mount{Input: 0, Output: -1, Dest: "/m", Selector: "/none"}
	_, err = runExec(t, nil, &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, Mounts: []*pb.Mount{bind, tmpfs("/m", 1)},
	})
	var missing *runner.SourceError
	if !errors.As(err, &missing) || missing.Source != "/none" {
		t.Errorf("a hidden mount without its source: %v, want an error", err)
	}
}

// TestMissingSource checks that a bind mount whose source does not exist fails while the cache key is
// computed, and that the error contains the input. BuildKit's debuggers expect such an error.
func TestMissingSource(t *testing.T) {
	bind := &pb.Mount{Input: 0, Output: -1, Dest: "/m", Selector: "/none", Readonly: true}
	root := &pb.Mount{Input: -1, Output: 0, Dest: "/"}
	def := marshal(t, mkdirs(func(int) string { return "/d" })(0), &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, Mounts: []*pb.Mount{root, bind},
	}}})
	_, err := solveDef(t, def)
	var input *InputError
	if !errors.As(err, &input) || input.Index != 0 || input.Input == nil || !strings.Contains(err.Error(), "mount /m: /none does not exist in what is mounted") {
		t.Errorf("error %v, want an InputError about the mount", err)
	}
}

// failingRunner is a fake runner that cannot start any process.
type failingRunner struct{}

func (failingRunner) Run(context.Context, *runner.Process) ([]*tree.Node, error) {
	return nil, errors.New("not found")
}

// TestStartError checks that the error of a process that cannot be started contains the command.
func TestStartError(t *testing.T) {
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := New(t.Context(), Options{
		Store: s, Cache: NewMemoryCache(), Sources: emptySources{}, Runner: failingRunner{},
		Now: func() time.Time { return time.Unix(0, 0) },
	})
	defer b.Wait()
	g, err := Load(marshal(t, mkdirs(func(int) string { return "/d" })(0), &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x", "y"}, Cwd: "/"}, Mounts: []*pb.Mount{{Input: 0, Dest: "/", Output: 0}},
	}}}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `process "x y" did not complete successfully: not found`
	if _, err := b.Result(g).Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// dirRunner is a fake runner. Instead of running a process, it calls a function of the test.
// It then returns a file system that contains a single directory.
type dirRunner struct {
	name   string
	before func()
}

func (m dirRunner) Run(context.Context, *runner.Process) ([]*tree.Node, error) {
	m.before()
	e := tree.Edit(tree.Empty())
	_, err := e.MkdirAll(m.name, tree.Meta{Mode: 0o755})
	return []*tree.Node{e.Tree()}, err
}

// TestSameStepConcurrently checks that two builds that run the same step concurrently
// both return the result of the build that ended first.
func TestSameStepConcurrently(t *testing.T) {
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	g, err := Load(marshal(t, mkdirs(func(int) string { return "/d" })(0), &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
		Meta: &pb.Meta{Args: []string{"x"}, Cwd: "/"}, Mounts: []*pb.Mount{{Dest: "/", Output: 0}},
	}}}))
	if err != nil {
		t.Fatal(err)
	}
	cache := NewMemoryCache()
	build := func(m dirRunner) *tree.Node {
		b := New(t.Context(), Options{
			Store: s, Cache: cache, Sources: emptySources{}, Runner: m,
			Now: func() time.Time { return time.Unix(0, 0) },
		})
		defer b.Wait()
		out, err := b.Result(g).Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return testtree.Of(out)
	}
	var first *tree.Node
	second := build(dirRunner{"second", func() { first = build(dirRunner{"first", func() {}}) }})
	if testtree.Must(first.Get("first")) == nil || second.ID() != first.ID() {
		t.Errorf("the builds have the results %s and %s, want the same", first.ID(), second.ID())
	}
}

// oneAgent is a fake [Mounts] with a single SSH agent, to which every id refers. The field
// socket is the path of the agent's socket.
type oneAgent struct {
	Mounts
	socket string
}

func (a oneAgent) Agent(context.Context, string) (string, bool, error) { return a.socket, true, nil }

// TestAgentMount checks that a process cannot reach the socket of an SSH agent on the
// host. It gets another socket, through which it can list keys but not remove them.
func TestAgentMount(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, err := runExec(t, oneAgent{socket: fakeagent.Serve(t, key)}, &pb.ExecOp{
		Meta:   &pb.Meta{Args: []string{"x"}, Cwd: "/"},
		Mounts: []*pb.Mount{{Input: -1, Output: -1, Dest: "/run/agent", MountType: pb.MountType_SSH, SSHOpt: &pb.SSHOpt{Mode: 0o600}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	m := p.Mounts[1]
	if m.Kind != runner.MountSocket || m.Mode != 0o600 || m.HostPath != "" {
		t.Fatalf("the mount is %+v, want a socket without a host path", m)
	}
	process, conn := net.Pipe()
	defer process.Close()
	go func() {
		defer conn.Close()
		m.Serve(t.Context(), conn)
	}()
	c := agent.NewClient(process)
	if keys, err := c.List(); err != nil || len(keys) != 1 {
		t.Errorf("got keys %v, %v, want one key", keys, err)
	}
	if err := c.RemoveAll(); err == nil {
		t.Error("a process can remove the keys")
	}
}
