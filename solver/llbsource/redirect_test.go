package llbsource

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/buildkit/solver/pb"
)

// TestRedirects checks that downloads and git fetches stop after 10 redirects.
func TestRedirects(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		to := *r.URL
		to.Path = strings.TrimSuffix("/x"+to.Path, "/")
		http.Redirect(w, r, to.String(), http.StatusFound)
	}))
	defer server.Close()
	for about, op := range map[string]*pb.SourceOp{"download": {Identifier: server.URL + "/f"}, "git": gitOp(server.URL+"/r.git", "")} {
		asked.Store(0)
		_, err := newSources(t).Open(t.Context(), op, nil)
		if err == nil || !strings.Contains(err.Error(), "redirects") || asked.Load() > maxRedirects+1 {
			t.Errorf("%s: %d requests, error %v", about, asked.Load(), err)
		}
	}
}

// TestRedirectToClearText checks that a request drops its secrets when it is redirected
// from HTTPS to HTTP.
func TestRedirectToClearText(t *testing.T) {
	seen := make(chan string, 9)
	note := func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Authorization")
		if r.URL.Path == "/start" {
			http.Redirect(w, r, "http://host.invalid/end", http.StatusFound)
		}
	}
	secure, plain := httptest.NewTLSServer(http.HandlerFunc(note)), httptest.NewServer(http.HandlerFunc(note))
	defer secure.Close()
	defer plain.Close()
	insecure := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the server belongs to this test
	s := newSources(t)
	s.HTTP = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, plain.Listener.Addr().String())
		},
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return insecure.DialContext(ctx, network, secure.Listener.Addr().String())
		},
	}}
	s.Secrets = map[string][]byte{"HTTP_AUTH_TOKEN_host.invalid": []byte("secret")}
	if _, err := s.Open(t.Context(), &pb.SourceOp{Identifier: "https://host.invalid/start"}, nil); err != nil {
		t.Fatal(err)
	}
	if first, second := <-seen, <-seen; first != "Bearer secret" || second != "" {
		t.Errorf("sent %q, then %q", first, second)
	}
}
