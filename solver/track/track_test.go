package track_test

import (
	"io"
	"slices"
	"strings"
	"testing"

	"slipway/solver/track"
)

// TestTracker checks that a tracker reports each change of its status.
func TestTracker(t *testing.T) {
	var got []track.Status
	ctx := track.WithReporter(t.Context(), func(s track.Status) { got = append(got, s) })
	tr := track.Start(ctx, "download", 3)
	if _, err := io.ReadAll(io.LimitReader(tr.Reader(strings.NewReader("ab")), 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(tr.Writer(io.Discard), "c"); err != nil {
		t.Fatal(err)
	}
	tr.Done()
	want := []track.Status{{ID: "download", Total: 3}, {ID: "download", Current: 2, Total: 3}, {ID: "download", Current: 3, Total: 3}, {ID: "download", Current: 3, Total: 3, Done: true}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestNoReporter checks that the readers and writers of a tracker still work if the
// context has no reporter.
func TestNoReporter(t *testing.T) {
	tr := track.Start(t.Context(), "download", 0)
	defer tr.Done()
	if data, err := io.ReadAll(tr.ReadCloser(io.NopCloser(strings.NewReader("ab")))); err != nil || string(data) != "ab" {
		t.Errorf("read %q, %v", data, err)
	}
	if r := tr.ReadCloser(nil); r != nil {
		t.Errorf("a reader of nil: %v, want nil", r)
	}
}
