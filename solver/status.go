package solver

import (
	"context"
	"io"
	"sync"
)

// Status is how far one part of a vertex is, such as the download of a layer.
type Status struct {
	// ID names the part to users, in the words of BuildKit: "sha256:…" for the
	// download of a layer, "extracting sha256:…", "transferring context:".
	ID      string
	Current int64 // bytes
	Total   int64 // bytes; if it is 0, it is unknown
	Done    bool
}

type reporterKey struct{}

// WithReporter returns a context whose trackers call report, which has to be safe
// for concurrent use. See [Track].
func WithReporter(ctx context.Context, report func(Status)) context.Context {
	return context.WithValue(ctx, reporterKey{}, report)
}

// Tracker reports how far a part of a vertex is. It is safe for concurrent use.
type Tracker struct {
	report func(Status)
	mu     sync.Mutex
	status Status
}

// Track starts a part of the vertex that ctx belongs to; without one, nothing is
// reported. If total is 0, it is unknown. The part lasts until Done is called.
func Track(ctx context.Context, id string, total int64) *Tracker {
	t := &Tracker{status: Status{ID: id, Total: total}}
	t.report, _ = ctx.Value(reporterKey{}).(func(Status))
	t.update(func(*Status) {})
	return t
}

// Add reports that n more bytes are done.
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

// Reader returns a reader of r whose bytes are added to t.
func (t *Tracker) Reader(r io.Reader) io.Reader { return &trackedReader{r, t} }

// ReadCloser is like Reader for a reader that is closed. If r is nil, it is nil.
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

// Writer returns a writer to w whose bytes are added to t.
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
