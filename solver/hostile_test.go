package solver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/memtest"
	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// chain returns a definition with n operations, which are op(0), op(1) and so on. Each input
// of an operation is the output of the preceding one.
func chain(t testing.TB, n int, op func(i int) *pb.Op) *pb.Definition {
	t.Helper()
	def := &pb.Definition{}
	last := ""
	for i := range n + 1 {
		o := &pb.Op{}
		if i < n {
			o = op(i)
		}
		if last != "" {
			for range max(1, len(o.GetMerge().GetInputs())) {
				o.Inputs = append(o.Inputs, &pb.Input{Digest: last})
			}
		}
		data, err := o.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		def.Def = append(def.Def, data)
		last = string(digest.FromBytes(data))
	}
	return def
}

// mkdirs returns a function that can be passed to [chain]. Called with i, the function returns
// a file operation that creates the directory name(i).
func mkdirs(name func(i int) string) func(i int) *pb.Op {
	return func(i int) *pb.Op {
		in := int64(0)
		if i == 0 {
			in = -1
		}
		return &pb.Op{Op: &pb.Op_File{File: &pb.FileOp{Actions: []*pb.FileAction{{Input: in, SecondaryInput: -1, Action: &pb.FileAction_Mkdir{
			Mkdir: &pb.FileActionMkDir{Path: name(i), Mode: 0o755, MakeParents: true},
		}}}}}}
	}
}

// newTestJob returns a job with an empty cache. All sources are empty trees, and RUN steps
// change no files.
func newTestJob(t testing.TB, ctx context.Context) *Job {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return New(ctx, Options{
		Store: s, Cache: NewMemoryCache(), Sources: emptySources{}, Runner: noopRunner{}, Parallel: 4,
		Now: func() time.Time { return time.Unix(0, 0) },
	})
}

// emptySources implements [Sources]. Every source is an empty tree.
type emptySources struct{}

func (emptySources) Open(_ context.Context, op *pb.SourceOp, _ *pb.Platform) (Source, error) {
	return emptySource(digest.FromString(op.Identifier)), nil
}

// emptySource is the [Source] that emptySources opens.
type emptySource digest.Digest

func (s emptySource) Digest() digest.Digest { return digest.Digest(s) }

func (emptySource) Fetch(context.Context) (*snapshot.Snapshot, error) {
	return snapshot.New(tree.Empty(), nil), nil
}

// noopRunner is a fake runner. It runs no process and returns the files of each mount
// unchanged.
type noopRunner struct{}

func (noopRunner) Run(_ context.Context, p *runner.Process) ([]*tree.Node, error) {
	out := make([]*tree.Node, len(p.Mounts))
	for i := range out {
		out[i] = p.Mounts[i].Tree
	}
	return out, nil
}

// solveDef loads and evaluates a definition in a new job.
func solveDef(t testing.TB, def *pb.Definition) (*snapshot.Snapshot, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	b := newTestJob(t, ctx)
	defer func() {
		cancel()
		b.Wait()
	}()
	g, err := Load(def)
	if err != nil {
		return nil, err
	}
	return b.Result(g).Snapshot(ctx)
}

// TestHugeDefinitions checks definitions with very long chains, paths or lists of layers. They
// must result in one short error, and must not allocate much memory.
func TestHugeDefinitions(t *testing.T) {
	slowtest.Skip(t, "loads definitions up to the limits")
	merges := func(i int) *pb.Op {
		if i == 0 {
			return mkdirs(func(int) string { return "/a" })(0)
		}
		return &pb.Op{Op: &pb.Op_Merge{Merge: &pb.MergeOp{Inputs: []*pb.MergeInput{{Input: 0}, {Input: 1}}}}}
	}
	for _, tc := range []struct {
		about string
		n     int
		op    func(i int) *pb.Op
		want  string
	}{
		{"many steps", 900, mkdirs(func(i int) string { return fmt.Sprint("/", i) }), ""},
		{"too many steps", 3000, mkdirs(func(i int) string { return fmt.Sprint("/", i) }), "has more than 1024 layers"},
		{"deep", 100_000, mkdirs(func(i int) string { return fmt.Sprint("/", i) }), "is behind more than"},
		{"doubled", 60, merges, "has more than 1024 layers"},
		{"deep path", 1, mkdirs(func(int) string { return strings.Repeat("/a", 100_000) }), "file name too long"},
		{"deeper path", 20, mkdirs(func(i int) string { return strings.Repeat("/a", 500*(i+1)) }), "file name too long"},
		{"long name", 1, mkdirs(func(int) string { return "/" + strings.Repeat("a", 300) }), "file name too long"},
	} {
		def := chain(t, tc.n, tc.op)
		const most = 400 << 20
		var err error
		used := memtest.Allocated(func() { _, err = solveDef(t, def) }, most)
		if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || len(err.Error()) > 3000) {
			t.Errorf("%s: error %.500v, want %s", tc.about, err, tc.want)
		}
		if used > most {
			t.Errorf("%s: allocated %d MiB, want at most %d", tc.about, used>>20, most>>20)
		}
	}
}

// TestInvalidIndexes checks that the evaluation of a definition returns an error if an
// index refers to an input or output that does not exist.
func TestInvalidIndexes(t *testing.T) {
	user := func(in int64) *pb.FileAction {
		a := mkdir(-1, 0)
		a.GetMkdir().Owner = &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: "x", Input: in}}}}
		return a
	}
	gap := mkdir(-1, 0)
	gap.Output = 0
	for about, def := range map[string]*pb.Definition{
		"user in a missing input":  definition(t, file(-1, user(7)), result("0")),
		"user in a negative input": definition(t, file(-1, user(-9)), result("0")),
		"user in a later action":   definition(t, file(-1, user(1), mkdir(0, 1)), result("0")),
		"missing first output":     definition(t, file(-1, mkdir(-1, -1), mkdir(-1, 1)), result("0")),
		"duplicate output":         definition(t, file(-1, mkdir(-1, 0), mkdir(-1, 0)), result("0")),
		"large output":             definition(t, file(-1, mkdir(-1, math.MaxInt64)), result("0")),
		"large input":              definition(t, file(-1, mkdir(math.MaxInt64, 0)), result("0")),
		"output without a tree":    definition(t, run(&pb.Mount{Dest: "/", Input: -1, Output: 1}, &pb.Mount{Dest: "/x", Input: -1, Output: -1}), result("0")),
	} {
		if _, err := solveDef(t, def); err == nil {
			t.Errorf("%s: no error, want one", about)
		}
	}
}

// TestCancelledBuild checks that a job whose context ends cancels the running operation
// and leaks no goroutine.
func TestCancelledBuild(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	b := newTestJob(t, ctx)
	running := make(chan struct{})
	b.opt.Runner = blockingRunner{running}
	g, err := Load(definition(t, run(&pb.Mount{Dest: "/", Input: -1, Output: 0}), result("0")))
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := b.Result(g).Snapshot(ctx)
		failed <- err
	}()
	<-running
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	b.Wait()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines after the build, want at most %d", runtime.NumGoroutine(), before)
}

// blockingRunner is a fake runner. Its method Run closes a channel to report that it runs, and
// then waits until ctx ends.
type blockingRunner struct{ running chan struct{} }

func (h blockingRunner) Run(ctx context.Context, _ *runner.Process) ([]*tree.Node, error) {
	close(h.running)
	<-ctx.Done()
	return nil, ctx.Err()
}

// FuzzSolve checks that the evaluation of an arbitrary definition ends, does not panic and
// yields no path with "..". The fuzzer changes the bytes of marshalled operations.
func FuzzSolve(f *testing.F) {
	root := &pb.Mount{Dest: "/", Input: -1, Output: 0}
	owned := mkdir(-1, 0)
	owned.GetMkdir().Owner = &pb.ChownOpt{User: &pb.UserOpt{User: &pb.UserOpt_ByName{ByName: &pb.NamedUserOpt{Name: "x", Input: 0}}}}
	link := &pb.FileAction{Input: -1, SecondaryInput: -1, Output: -1, Action: &pb.FileAction_Symlink{Symlink: &pb.FileActionSymlink{Oldpath: "/../..", Newpath: "/l"}}}
	inLink := &pb.FileAction{Input: 1, SecondaryInput: -1, Output: -1, Action: &pb.FileAction_Mkfile{Mkfile: &pb.FileActionMkFile{Path: "/l/../x", Data: []byte("x")}}}
	copied := &pb.FileAction{Input: 2, SecondaryInput: 0, Output: 0, Action: &pb.FileAction_Copy{Copy: &pb.FileActionCopy{
		Src: "/*", Dest: "/l/../../y", AllowWildcard: true, AllowEmptyWildcard: true, CreateDestPath: true, FollowSymlink: true, Mode: -1, IncludePatterns: []string{"**/a", "!b"},
	}}}
	for _, def := range []*pb.Definition{
		definition(f, from("local://x"), file(0, owned), result("1")),
		definition(f, from("local://x"), file(0, link, inLink, copied), result("1")),
		definition(f, from("local://x"), run(root), &pb.Op{Inputs: []*pb.Input{{Digest: "0"}, {Digest: "1"}}, Op: &pb.Op_Merge{Merge: &pb.MergeOp{Inputs: []*pb.MergeInput{{Input: 0}, {Input: 1}}}}}, result("2")),
		definition(f, from("local://x"), &pb.Op{Inputs: []*pb.Input{{Digest: "0"}}, Op: &pb.Op_Diff{Diff: &pb.DiffOp{Lower: &pb.LowerDiffInput{Input: -1}, Upper: &pb.UpperDiffInput{Input: 0}}}}, result("1")),
		definition(f, from("local://x"), &pb.Op{Inputs: []*pb.Input{{Digest: "0"}}, Op: &pb.Op_Build{Build: &pb.BuildOp{Builder: -1, Inputs: map[string]*pb.BuildInput{"buildkit.llb.definition": {Input: 0}}}}}, result("1")),
	} {
		f.Add(slices.Concat(def.Def...), lengths(def))
	}
	store, err := tree.OpenStore(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data, at []byte) {
		def := relink(data, at)
		g, err := Load(def)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		b := New(ctx, Options{
			Store: store, Cache: NewMemoryCache(), Sources: emptySources{}, Runner: noopRunner{}, Parallel: 4,
			Now: func() time.Time { return time.Unix(0, 0) },
		})
		s, err := b.Result(g).Snapshot(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			t.Error("the build did not end within 10 s")
		}
		_ = tree.Diff(nil, testtree.Of(s), func(c tree.Change) error {
			if strings.Contains("/"+c.Path+"/", "/../") {
				t.Errorf("the tree contains %s, want no ..", c.Path)
			}
			return nil
		})
		cancel()
		b.Wait()
	})
}

// lengths returns the length of each operation of a definition, as two bytes in big-endian
// order. [relink] uses the lengths to split the concatenated operations again.
func lengths(def *pb.Definition) []byte {
	var at []byte
	for _, op := range def.Def {
		at = append(at, byte(len(op)>>8), byte(len(op)))
	}
	return at
}

// relink splits data into operations and returns a definition of these operations. The
// parameter lens contains the length of each operation, in the format that [lengths] returns.
// If the fuzzer has changed an operation, the digest of the operation changes, too, and relink
// replaces the old digest in the inputs of later operations. It replaces an unknown digest by
// the digest of the preceding operation.
func relink(data, lens []byte) *pb.Definition {
	def := &pb.Definition{}
	names := map[string]string{}
	for ; len(lens) >= 2; lens = lens[2:] {
		n := min(int(lens[0])<<8|int(lens[1]), len(data))
		var op pb.Op
		if op.UnmarshalVT(data[:n]) != nil {
			break
		}
		old := string(digest.FromBytes(data[:n]))
		last := ""
		if len(def.Def) > 0 {
			last = string(digest.FromBytes(def.Def[len(def.Def)-1]))
		}
		for _, in := range op.Inputs {
			if now, ok := names[in.Digest]; ok {
				in.Digest = now
			} else {
				in.Digest = last
			}
		}
		out, err := op.MarshalVT()
		if err != nil {
			break
		}
		names[old] = string(digest.FromBytes(out))
		def.Def, data = append(def.Def, out), data[n:]
	}
	return def
}
