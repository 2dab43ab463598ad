package llbsource

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/internal/slowtest"
)

// slowReader is a request body that sleeps before each byte.
type slowReader struct {
	left  int
	every time.Duration
}

// Read implements [io.Reader].
func (s *slowReader) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.every)
	s.left--
	p[0] = 'x'
	return 1, nil
}

// TestStall checks that the time limit applies to the inactivity of a server, not to the
// duration of a transfer.
func TestStall(t *testing.T) {
	slowtest.Skip(t, "waits for a timeout")
	const limit = 2 * time.Second // a busy machine may pause the test for a part of it
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/silent", "/deaf": // of a body, the system accepts what fits into its buffers
			<-hang
		case "/cut":
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			<-hang
		case "/slow":
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}))
	defer server.Close()
	defer close(hang)
	c := &http.Client{Transport: Stall(http.DefaultTransport, limit)}
	for path, body := range map[string]io.Reader{
		"/silent": nil, "/cut": nil, "/deaf": io.LimitReader(zeroReader{}, 1<<30), "/slow": &slowReader{30, limit / 20},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if ended := err != nil && strings.Contains(err.Error(), "sent nothing for "+limit.String()); ended == (path == "/slow") || !ended && err != nil {
			t.Errorf("%s: error %v", path, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/cut", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: error %v", err)
	}
	_ = resp.Body.Close()
}

// zeroReader is an endless request body.
type zeroReader struct{}

// Read implements [io.Reader].
func (zeroReader) Read(p []byte) (int, error) { return len(p), nil }
