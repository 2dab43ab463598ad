package solver

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/runner"
	"slipway/solver/track"
	"slipway/solver/tree"
)

// preparingRunner is a fake runner. Its method Prepare writes nothing, but reports progress as
// if it unpacked each layer when the layer is first needed.
type preparingRunner struct {
	recorder
	mu      sync.Mutex
	written map[string]bool
}

func (r *preparingRunner) Prepare(ctx context.Context, s *runner.Sandbox) {
	var trackers []*track.Tracker
	for _, m := range s.Mounts {
		for _, l := range m.Layers {
			id := string(l.Upper.ID())
			r.mu.Lock()
			if !r.written[id] {
				r.written[id] = true
				trackers = append(trackers, track.Start(ctx, id, 0))
			}
			r.mu.Unlock()
		}
	}
	for _, t := range trackers {
		t.Done()
	}
}

// TestUnpackProgress checks that layers are unpacked before the step that needs them starts,
// and that the progress contains a separate vertex for the unpacking. If no layer is unpacked,
// this vertex must not appear.
func TestUnpackProgress(t *testing.T) {
	root := func(int) string { return "/d" }
	step := func(arg string) *pb.Op {
		return &pb.Op{Op: &pb.Op_Exec{Exec: &pb.ExecOp{
			Meta: &pb.Meta{Args: []string{arg}, Cwd: "/"}, Mounts: []*pb.Mount{{Input: 0, Dest: "/", Output: 0}},
		}}}
	}
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &preparingRunner{written: map[string]bool{}}
	for _, tc := range []struct {
		about, step, want string
	}{
		{"first step", "a", "unpack starts, unpacking layer 1/1, unpacking layer 1/1 done, unpack ends, step a starts, step a ends"},
		{"layers exist", "b", "step b starts, step b ends"},
	} {
		var got []string
		b := New(t.Context(), Options{
			Store: s, Cache: NewMemoryCache(), Sources: emptySources{}, Runner: r, Now: func() time.Time { return time.Unix(0, 0) },
			Events: func(e Event) {
				name := e.Vertex.Name()
				switch {
				case name == "[internal] unpack layers":
					name = "unpack"
				case e.Vertex.Op.GetExec() != nil:
					name = "step " + e.Vertex.Op.GetExec().Meta.Args[0]
				default:
					return
				}
				switch e.Kind {
				case Started:
					got = append(got, name+" starts")
				case Done:
					got = append(got, name+" ends")
				case Progress:
					got = append(got, e.Status.ID+map[bool]string{true: " done"}[e.Status.Done])
				case Output, Missed, Cached:
				}
			},
		})
		g, err := Load(marshal(t, mkdirs(root)(0), step(tc.step)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Result(g).Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Wait()
		if !slices.Equal(got, strings.Split(tc.want, ", ")) {
			t.Errorf("%s: events\n%s, want\n%s", tc.about, strings.Join(got, ", "), tc.want)
		}
	}
}

// TestUnpacksOverlap unpacks layers for several steps concurrently. The progress of the vertex
// for unpacking must begin when the first layer is unpacked, and end when the last layer is
// unpacked.
func TestUnpacksOverlap(t *testing.T) {
	var kinds []EventKind
	e := &events{now: func() time.Time { return time.Unix(0, 0) }, send: func(e Event) { kinds = append(kinds, e.Kind) }}
	var u unpacks
	u.begin(e)
	u.begin(e)
	u.end(e)
	if want := []EventKind{Started}; !slices.Equal(kinds, want) {
		t.Errorf("events %v while layers are unpacked, want %v", kinds, want)
	}
	u.end(e)
	u.begin(e)
	if want := []EventKind{Started, Done, Started}; !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
}
