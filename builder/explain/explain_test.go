package explain

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/tree"
)

// TestExplainWhileStepsRun checks that Finish works while steps still start, as they do
// after one of several stages has failed.
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
