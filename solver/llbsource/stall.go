package llbsource

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Stall returns a transport that fails if a server neither accepts nor sends data for
// longer than limit: during the request, before the response, or within its body.
func Stall(rt http.RoundTripper, limit time.Duration) http.RoundTripper {
	return &stalling{rt, limit}
}

type stalling struct {
	http.RoundTripper
	limit time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (s *stalling) RoundTrip(req *http.Request) (*http.Response, error) {
	p := newPatience(req.Context(), req.URL.Host, s.limit)
	sent := req.WithContext(p.ctx)
	if req.Body != nil && req.Body != http.NoBody {
		sent.Body = &sentBody{req.Body, p}
	}
	p.wait()
	resp, err := s.RoundTripper.RoundTrip(sent)
	p.stop()
	if err != nil {
		err = p.cause(err)
		p.end()
		return nil, err
	}
	resp.Body = &stallingBody{resp.Body, p}
	return resp, nil
}

// sentBody is the body of a request. Each read of it shows that the server accepted the
// previous data.
type sentBody struct {
	io.ReadCloser
	p *patience
}

// Read implements [io.Reader].
func (b *sentBody) Read(p []byte) (int, error) {
	b.p.stop() // reading the file may be slow as well
	n, err := b.ReadCloser.Read(p)
	b.p.wait()
	return n, err
}

// stallingBody is the body of a response.
type stallingBody struct {
	io.ReadCloser
	p *patience
}

// Read implements [io.Reader].
func (b *stallingBody) Read(p []byte) (int, error) { return b.p.read(b.ReadCloser, p) }

// Close implements [io.Closer].
func (b *stallingBody) Close() error {
	err := b.ReadCloser.Close()
	b.p.end()
	return err
}

// patience cancels its context if a server stalls for longer than the limit. Each call
// of wait restarts the limit.
type patience struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// newPatience returns a patience whose context is canceled when a host sends nothing for
// the time limit. If limit is zero, the context is never canceled. The caller must call
// end.
func newPatience(ctx context.Context, host string, limit time.Duration) *patience {
	p := &patience{limit: limit}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	stalled := fmt.Errorf("%s sent nothing for %v", host, limit)
	p.timer = time.AfterFunc(cmp.Or(limit, time.Hour), func() { p.cancel(stalled) })
	p.timer.Stop()
	return p
}

// wait starts the limit before an operation that waits for the server.
func (p *patience) wait() {
	if p.limit > 0 {
		p.timer.Reset(p.limit)
	}
}

// stop stops the limit after the operation.
func (p *patience) stop() { p.timer.Stop() }

// end releases the resources of the context.
func (p *patience) end() {
	p.stop()
	p.cancel(nil)
}

// read reads data, and waits for it no longer than the limit.
func (p *patience) read(r io.Reader, data []byte) (int, error) {
	p.wait()
	n, err := r.Read(data)
	p.stop()
	if err != nil && err != io.EOF { //nolint:errorlint // readers return it as it is
		err = p.cause(err)
	}
	return n, err
}

// cause returns the cause of the context's end. If the context has not ended, it
// returns err.
func (p *patience) cause(err error) error {
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return err
}
