package source

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Stall returns a transport that gives up when a server sends nothing for so
// long, before its answer or within.
func Stall(rt http.RoundTripper, limit time.Duration) http.RoundTripper {
	return &stalling{rt, limit}
}

type stalling struct {
	http.RoundTripper
	limit time.Duration
}

// RoundTrip implements [http.RoundTripper].
func (s *stalling) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	stalled := fmt.Errorf("%s sent nothing for %v", req.URL.Host, s.limit)
	timer := time.AfterFunc(s.limit, func() { cancel(stalled) })
	resp, err := s.RoundTripper.RoundTrip(req.WithContext(ctx))
	timer.Stop()
	if err != nil {
		if context.Cause(ctx) == stalled { //nolint:errorlint // this one
			err = stalled
		}
		cancel(nil)
		return nil, err
	}
	resp.Body = &stallingBody{resp.Body, ctx, cancel, timer, s.limit}
	return resp, nil
}

type stallingBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Duration
}

// Read implements [io.Reader].
func (b *stallingBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.limit)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF && b.ctx.Err() != nil { //nolint:errorlint // readers return it as it is
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close implements [io.Closer].
func (b *stallingBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
