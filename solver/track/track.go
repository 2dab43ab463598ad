// Package track reports progress within a vertex. It reports the parts of a vertex that take
// long, such as the download of each layer.
//
// Code that shows progress adds a reporter to a context with [WithReporter]. Functions that
// take long pass this context to [Start], and need not know the reporter.
package track

import (
	"context"
	"io"
	"sync"
)

// Status is the progress of one part of a vertex, such as the download of one layer of an
// image.
type Status struct {
	// ID is the name of the part, worded as in BuildKit: "sha256:…" for the download of a
	// layer, "extracting sha256:…", "transferring context:".
	ID      string
	Current int64 // bytes
	Total   int64 // bytes; 0 if unknown
	Done    bool
}

type reporterKey struct{}

// WithReporter returns a context in which [Start] reports progress by calling report.
// Calls may be concurrent.
func WithReporter(ctx context.Context, report func(Status)) context.Context {
	return context.WithValue(ctx, reporterKey{}, report)
}

type logKey struct{}

// WithLog returns a context in which [Log] reports messages by calling log. Calls may be
// concurrent.
func WithLog(ctx context.Context, log func(message string)) context.Context {
	return context.WithValue(ctx, logKey{}, log)
}

// Log reports a message to the user who watches the vertex. If ctx has no reporter for messages,
// Log does nothing.
func Log(ctx context.Context, message string) {
	if log, ok := ctx.Value(logKey{}).(func(string)); ok {
		log(message)
	}
}

// Tracker reports the progress of one part of a vertex, such as the download of one layer.
// Safe for concurrent use.
type Tracker struct {
	report func(Status)
	mu     sync.Mutex
	status Status
}

// Start returns a tracker that reports the progress of one part of a vertex, such as
// the download of a layer, to the reporter in ctx. The parameter id names the part, as
// described in [Status], and total is its size in bytes, or 0 if unknown. The part is
// shown as running until Done is called. If ctx has no reporter, the tracker does
// nothing.
func Start(ctx context.Context, id string, total int64) *Tracker {
	t := &Tracker{status: Status{ID: id, Total: total}}
	t.report, _ = ctx.Value(reporterKey{}).(func(Status))
	t.update(func(*Status) {})
	return t
}

// Add reports that n more bytes have been processed.
func (t *Tracker) Add(n int64) { t.update(func(s *Status) { s.Current += n }) }

// Done reports that the tracked part of the vertex, such as a download, has ended, with or
// without success.
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

// Reader returns a reader that reads from r and reports each byte read as progress.
func (t *Tracker) Reader(r io.Reader) io.Reader { return &trackedReader{r, t} }

// ReadCloser returns a reader that reads from r and reports each byte read as progress.
// Closing the returned reader also closes r. If r is nil, ReadCloser returns nil.
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

// Writer returns a writer that writes to w and reports each byte written as progress.
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
