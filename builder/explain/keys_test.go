package explain

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"

	"slipway/solver"
	"slipway/solver/tree"
)

// TestWriteKeys checks the cache keys that WriteKeys writes for a build and for a cached
// second build. The order in which the graphs of the build are passed must not matter.
func TestWriteKeys(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	load := func(st llb.State) *solver.Graph {
		def, err := st.Marshal(t.Context(), llb.LinuxAmd64)
		if err != nil {
			t.Fatal(err)
		}
		g, err := solver.Load(def.ToPB())
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	src := llb.Scratch().File(llb.Mkfile("/a", 0o644, []byte("content")), llb.WithCustomName("make a\x1b"))
	copied := llb.Scratch().File(llb.Copy(src, "/a", "/b"), llb.WithCustomName("copy a"))
	unused := llb.Scratch().File(llb.Mkdir("/d", 0o755), llb.WithCustomName("not solved"))
	cache := solver.NewMemoryCache()
	build := func() string {
		x := New(filepath.Join(t.TempDir(), "record"), store, nil)
		b := solver.New(t.Context(), solver.Options{Store: store, Cache: cache, Now: time.Now, Events: func(e solver.Event) {
			if e.Kind == solver.Missed {
				x.Missed(e.Vertex.Digest)
			}
		}})
		graphs := []*solver.Graph{load(unused), load(copied), load(src), {}}
		for _, g := range graphs[1:3] {
			if _, err := b.Result(g).Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var first, second strings.Builder
		if err := x.WriteKeys(&first, b, graphs); err != nil {
			t.Error(err)
		}
		slices.Reverse(graphs)
		if err := x.WriteKeys(&second, b, graphs); err != nil || first.String() != second.String() {
			t.Errorf("in another order: %v\n%swant\n%s", err, second.String(), first.String())
		}
		return first.String()
	}
	want := `make a␛: ran
  key sha256:4d950fd1de191b8bc7f4bda01488454bd2637b841374f214919d32af2b9a403e
  ab4dd8efe4c5 operation
copy a: ran
  key sha256:16950a1fea5966512fa3fe057666d558c95b504e43f28359ba671f402583d072
  3eb60d10712b operation
  d74f1b7f4017 files of copy 0, from make a␛
not solved: not needed
`
	if diff := cmp.Diff(want, build()); diff != "" {
		t.Errorf("first build (-want +got):\n%s", diff)
	}
	want = strings.ReplaceAll(want, ": ran", ": cached")
	if diff := cmp.Diff(want, build()); diff != "" {
		t.Errorf("second build (-want +got):\n%s", diff)
	}
}
