package solver

import (
	"context"
	"io"
	"sync"
)

// Status is the progress of one part of a vertex, such as the download of a layer.
type Status struct {
	// ID is the name of the part, worded as in BuildKit: "sha256:…" for the download of a
	// layer, "extracting sha256:…", "transferring context:".
	ID      string
	Current int64 // bytes
	Total   int64 // bytes; 0 if unknown
	Done    bool
}

type reporterKey struct{}

// WithReporter returns a context whose trackers call report, which must be safe for
// concurrent use. See [Track].
func WithReporter(ctx context.Context, report func(Status)) context.Context {
	return context.WithValue(ctx, reporterKey{}, report)
}

// Tracker reports the progress of a part of a vertex. Safe for concurrent use.
type Tracker struct {
	report func(Status)
	mu     sync.Mutex
	status Status
}

// Track returns a tracker for a part of the vertex that ctx belongs to. If ctx has no
// reporter, nothing is reported. If total is 0, it is unknown. The part lasts until Done
// is called.
func Track(ctx context.Context, id string, total int64) *Tracker {
	t := &Tracker{status: Status{ID: id, Total: total}}
	t.report, _ = ctx.Value(reporterKey{}).(func(Status))
	t.update(func(*Status) {})
	return t
}

// Add reports n more bytes.
func (t *Tracker) Add(n int64) { t.update(func(s *Status) { s.Current += n }) }

// Done reports the end of the part, whether it succeeded or not.
func (t *Tracker) Done() { t.update(func(s *Status) { s.Done = true }) }

func (t *Tracker) update(change func(*Status)) {
	if t.report == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.status)
	t.report(t.status)
}

// Reader returns a reader of r that adds the bytes read to t.
func (t *Tracker) Reader(r io.Reader) io.Reader { return &trackedReader{r, t} }

// ReadCloser is like Reader for an [io.ReadCloser]. If r is nil, it returns nil.
func (t *Tracker) ReadCloser(r io.ReadCloser) io.ReadCloser {
	if r == nil {
		return nil
	}
	return struct {
		io.Reader
		io.Closer
	}{t.Reader(r), r}
}

type trackedReader struct {
	io.Reader
	t *Tracker
}

// Read implements [io.Reader].
func (r *trackedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.t.Add(int64(n))
	return n, err
}

// Writer returns a writer to w that adds the bytes written to t.
func (t *Tracker) Writer(w io.Writer) io.Writer { return &trackedWriter{w, t} }

type trackedWriter struct {
	io.Writer
	t *Tracker
}

// Write implements [io.Writer].
func (w *trackedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.t.Add(int64(n))
	return n, err
}
