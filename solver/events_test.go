package solver

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"slipway/solver/snapshot"
	"slipway/solver/track"
)

// TestEvents checks which events a job sends, and in which order. Each test case can first
// build other targets to fill the cache.
func TestEvents(t *testing.T) {
	for _, tc := range []struct {
		about    string
		vertices string
		before   []string // targets of earlier builds
		forget   int      // value that is deleted from the cache after these builds
		build    []string
		want     string
	}{
		{
			"a source is resolved and then fetched", "s = remote +1\nb = s +2", nil, 0,
			[]string{"b"},
			"s started, s done, s started, s runs, s done, b started, b runs, b done",
		},
		{
			"a source that is not needed is resolved", "s = remote +1\nb = s +2",
			[]string{"b"},
			0,
			[]string{"b"},
			"s started, s done, b started, b cached",
		},
		{
			"a source may be cached", "s = remote +1\nb = s +2\nc = s +3",
			[]string{"b"},
			0,
			[]string{"c"},
			"s started, s done, s started, s cached, c started, c runs, c done",
		},
		{
			"a directory of the client is read, and never cached", "s = local +1\nb = s +2\nc = s +3",
			[]string{"b"},
			0,
			[]string{"c"},
			"s started, s done, c started, c runs, c done",
		},
		{
			"cached vertices precede those that depend on them", "a = +1\nb = a +2\nc = b +3\nd = c +4",
			[]string{"c"},
			0,
			[]string{"d"},
			"a cached, b cached, c started, c cached, d started, d runs, d done",
		},
		{
			"a skipped vertex starts if it is needed after all", "a = +1\nb = a +2\nc = a +3",
			[]string{"b"},
			1,
			[]string{"b", "c"},
			"a cached, b started, b cached, a started, a runs, a done, c started, c runs, c done",
		},
		{
			"a key that cannot be computed", "a = +1\nb = a badmap", nil, 0,
			[]string{"b"},
			"b started, b done (b: the vertex is broken)",
		},
	} {
		g := newTestbed(t)
		for line := range strings.Lines(tc.vertices) {
			g.define(strings.TrimSpace(line))
		}
		for _, target := range tc.before {
			if _, err := g.solve(target, nil); err != nil {
				t.Fatal(err)
			}
		}
		if tc.forget != 0 {
			g.forget(tc.forget)
		}
		b := g.start(t.Context(), tc.build[0], nil)
		for _, target := range tc.build {
			graph, err := Load(g.definition(target))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = b.Result(graph).Snapshot(t.Context()) // the events contain the error
		}
		b.Wait()
		if got := g.eventText(); got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.about, got, tc.want)
		}
	}
}

// trackedOp wraps an operation. Its methods CacheMap and Run report progress with
// [track.Start], and CacheMap a message, before they call the same methods of the wrapped operation.
type trackedOp struct{ Op }

func (o trackedOp) CacheMap(ctx context.Context) (*CacheMap, error) {
	track.Start(ctx, "resolve", 0).Done()
	track.Log(ctx, "a note")
	return o.Op.CacheMap(ctx)
}

func (o trackedOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	t := track.Start(ctx, "download", 5)
	defer t.Done()
	if _, err := io.ReadAll(t.Reader(strings.NewReader("ab"))); err != nil {
		return nil, err
	}
	if _, err := io.ReadAll(t.ReadCloser(io.NopCloser(strings.NewReader("c")))); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(t.Writer(io.Discard), "de"); err != nil {
		return nil, err
	}
	return o.Op.Run(ctx, in)
}

// TestTrack checks that a job sends events for the progress and the messages that an operation
// reports with package track.
func TestTrack(t *testing.T) {
	g := newTestbed(t)
	g.define("a = +1")
	var got []track.Status
	var logged string
	if _, err := g.solve("a", func(o *Options) {
		newOp, events := o.NewOp, o.Events
		o.NewOp = func(v *Vertex) Op { return trackedOp{newOp(v)} }
		o.Events = func(e Event) {
			switch e.Kind {
			case Output:
				logged += string(e.Data)
				return
			case Progress:
			default:
				events(e)
				return
			}
			if e.Vertex.Name() != "a" {
				t.Errorf("progress of %s, want a", e.Vertex.Name())
			}
			if n := len(got); n == 0 || got[n-1] != e.Status { // the read that returns EOF repeats the status
				got = append(got, e.Status)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	want := []track.Status{
		{ID: "resolve"},
		{ID: "resolve", Done: true},
		{ID: "download", Total: 5},
		{ID: "download", Current: 2, Total: 5},
		{ID: "download", Current: 3, Total: 5},
		{ID: "download", Current: 5, Total: 5},
		{ID: "download", Current: 5, Total: 5, Done: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if want := "a note\n"; logged != want {
		t.Errorf("messages %q, want %q", logged, want)
	}
}
