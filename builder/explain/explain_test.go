package explain

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/tree"
)

// TestExplainWhileStepsRun checks that Finish can be called while steps are still starting, as
// they do after one of several stages has failed.
func TestExplainWhileStepsRun(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x := New(filepath.Join(t.TempDir(), "record"), store, nil)
	b := solver.New(t.Context(), solver.Options{Store: store, Now: time.Now})
	g := &solver.Graph{}
	for i := range 2000 {
		g.Vertices = append(g.Vertices, &solver.Vertex{
			Digest: digest.FromString(fmt.Sprint(i)), Op: &pb.Op{},
			Meta: &pb.OpMetadata{Description: map[string]string{"llb.customname": fmt.Sprintf("step %d", i)}},
		})
	}
	var events sync.WaitGroup
	explained := make(chan struct{})
	events.Go(func() {
		for ended := false; !ended; {
			for _, v := range g.Vertices {
				x.Missed(v.Digest)
			}
			select {
			case <-explained:
				ended = true
			default:
			}
		}
	})
	for range 5 {
		if err := x.Finish(io.Discard, b, []*solver.Graph{g}); err != nil {
			t.Error(err)
		}
	}
	close(explained)
	events.Wait()
	var text strings.Builder
	if err := x.Finish(&text, b, []*solver.Graph{g}); err != nil {
		t.Error(err)
	}
	if got, want := strings.Count(text.String(), "\n"), len(g.Vertices); got != want {
		t.Errorf("explained %d steps, want %d", got, want)
	}
}

// TestExplainRunner checks the explanation for a step whose runner changed. Only the cache
// keys of interpreted steps depend on the runner.
func TestExplainRunner(t *testing.T) {
	operation := solver.Part{Name: "operation", Digest: "a", Input: -1}
	runs := func(parts ...solver.Part) *record { return &record{Parts: append([]solver.Part{operation}, parts...)} }
	one, two := solver.Part{Name: solver.RunnerPart, Digest: "1", Input: -1}, solver.Part{Name: solver.RunnerPart, Digest: "2", Input: -1}
	for _, tc := range []struct {
		about    string
		old, now *record
		want     []string
	}{
		{"interpreted now", runs(), runs(one), []string{otherRunner}},
		{"not interpreted any more", runs(one), runs(), []string{otherRunner}},
		{"interpreted in another way", runs(one), runs(two), []string{otherRunner}},
		{"unchanged", runs(one), runs(one), nil},
	} {
		for _, edited := range []bool{false, true} {
			c := changes{old: tc.old, now: tc.now}
			if c.compare(edited); !slices.Equal(c.list, tc.want) {
				t.Errorf("%s, edited %t: %q, want %q", tc.about, edited, c.list, tc.want)
			}
		}
	}
}
