package llbsource

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Stall returns a transport whose requests fail if the server neither accepts nor sends
// data for longer than limit. The limit applies while the request is sent, before the
// response, and within the response body. limit must be positive.
func Stall(rt http.RoundTripper, limit time.Duration) http.RoundTripper {
	return &stallTransport{rt, limit}
}

type stallTransport struct {
	http.RoundTripper
	limit time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (s *stallTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	p := newStallTimer(req.Context(), req.URL.Host, s.limit)
	sent := req.WithContext(p.ctx)
	if req.Body != nil && req.Body != http.NoBody {
		sent.Body = &requestBody{req.Body, p}
	}
	p.wait()
	resp, err := s.RoundTripper.RoundTrip(sent)
	p.stop()
	if err != nil {
		err = p.cause(err)
		p.end()
		return nil, err
	}
	resp.Body = &responseBody{resp.Body, p}
	return resp, nil
}

// requestBody is the body of a request. Each read from it shows that the server has
// accepted the data of the previous read.
type requestBody struct {
	io.ReadCloser
	p *stallTimer
}

// Read implements [io.Reader].
func (b *requestBody) Read(p []byte) (int, error) {
	b.p.stop() // the limit does not apply to the file that is sent
	n, err := b.ReadCloser.Read(p)
	b.p.wait()
	return n, err
}

// responseBody is the body of a response. Reading it fails if the server stalls.
type responseBody struct {
	io.ReadCloser
	p *stallTimer
}

// Read implements [io.Reader].
func (b *responseBody) Read(p []byte) (int, error) { return b.p.read(b.ReadCloser, p) }

// Close implements [io.Closer].
func (b *responseBody) Close() error {
	err := b.ReadCloser.Close()
	b.p.end()
	return err
}

// stallTimer cancels its context if a server sends nothing for longer than the limit.
// The time counts from a call of wait to a call of stop. Not safe for concurrent use.
type stallTimer struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// newStallTimer returns a stopped timer for a connection to host, which appears in errors.
// If limit is zero, the timer never expires. The caller must call end.
func newStallTimer(ctx context.Context, host string, limit time.Duration) *stallTimer {
	p := &stallTimer{limit: limit}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	stalled := fmt.Errorf("%s sent nothing for %v", host, limit)
	p.timer = time.AfterFunc(cmp.Or(limit, time.Hour), func() { p.cancel(stalled) })
	p.timer.Stop()
	return p
}

// wait starts the timer. Call it before an operation that waits for the server.
func (p *stallTimer) wait() {
	if p.limit > 0 {
		p.timer.Reset(p.limit)
	}
}

// stop stops the timer. Call it after an operation that waits for the server.
func (p *stallTimer) stop() { p.timer.Stop() }

// end stops the timer and cancels the context.
func (p *stallTimer) end() {
	p.stop()
	p.cancel(nil)
}

// read reads from r into data while the timer runs. If the server stalls, read returns
// the timer's error.
func (p *stallTimer) read(r io.Reader, data []byte) (int, error) {
	p.wait()
	n, err := r.Read(data)
	p.stop()
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it as it is
		err = p.cause(err)
	}
	return n, err
}

// cause returns the reason why the timer's context ended, for example that the server
// stalled. If the context has not ended, cause returns err.
func (p *stallTimer) cause(err error) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return err
}
