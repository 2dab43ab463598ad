package registry

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestEndlessRedirects checks that the client follows at most 10 redirects for each type
// of request.
func TestEndlessRedirects(t *testing.T) {
	blob := describe(ocispecs.MediaTypeImageLayer, layer)
	for about, tc := range map[string]struct {
		endless string // part of the URL path that the server redirects to itself
		do      func(*Repository) error
	}{
		"resolve": {"/manifests/", func(r *Repository) error { _, err := r.Resolve(t.Context()); return err }},
		"manifest": {"/manifests/", func(r *Repository) error {
			_, err := r.Manifest(t.Context(), describe(ocispecs.MediaTypeImageManifest, manifest))
			return err
		}},
		"blob":  {"/blobs/", func(r *Repository) error { _, err := r.Blob(t.Context(), blob); return err }},
		"push":  {"/uploads/", func(r *Repository) error { return r.Push(t.Context(), blob, opener(layer)) }},
		"check": {"/uploads/", func(r *Repository) error { return r.CheckPush(t.Context()) }},
		"token": {"/token", func(r *Repository) error { return r.CheckPush(t.Context()) }},
	} {
		var asked atomic.Int32
		var server *httptest.Server
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.Contains(r.URL.Path, tc.endless):
				asked.Add(1)
				http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
			case tc.endless == "/token":
				w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token"`)
				w.WriteHeader(http.StatusUnauthorized)
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		r := repository(t, Options{Credentials: as("user")}, strings.TrimPrefix(server.URL, "http://")+"/x:1", false)
		err := tc.do(r)
		// A token is requested with POST and GET, and a manifest and a blob at two
		// addresses.
		if err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") || asked.Load() > 2*11 {
			t.Errorf("%s: %d requests, error %v", about, asked.Load(), err)
		}
		server.Close()
	}
}

// plainServer is a transport that simulates hosts without HTTPS and without content. It
// records the scheme of the last request.
type plainServer struct{ last string }

// RoundTrip implements [http.RoundTripper].
func (p *plainServer) RoundTrip(r *http.Request) (*http.Response, error) {
	p.last = r.URL.Scheme
	if p.last == "https" {
		return nil, tls.RecordHeaderError{RecordHeader: [5]byte([]byte("HTTP/"))}
	}
	return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: r}, nil
}

// TestScheme checks that the client uses HTTP only for localhost and for registries for
// which the user allowed it, as in BuildKit.
func TestScheme(t *testing.T) {
	for ref, want := range map[string]string{
		"localhost:5000/x": "http", "127.0.0.1:5000/x": "http", "127.9.8.7:5000/x": "http", "[::1]:5000/x": "http", "localhost:80/x": "http",
		"10.1.2.3:5000/x": "https", "192.168.0.1:80/x": "https", "172.16.0.1/x": "https", "169.254.1.1:5000/x": "https", "[fe80::1]:5000/x": "https", "0.0.0.0:5000/x": "https",
		"box.local:5000/x": "https", "localhost.example:5000/x": "https", "example.localhost:5000/x": "https", "127.0.0.1.example:5000/x": "https",
	} {
		w := &plainServer{}
		r := repository(t, Options{Transport: func(http.RoundTripper) http.RoundTripper { return w }}, ref, false)
		if _, err := r.Resolve(t.Context()); err == nil {
			t.Errorf("%s: no error for a missing image", ref)
		}
		if w.last != want {
			t.Errorf("%s: asked with %s, want %s", ref, w.last, want)
		}
	}
}

// TestShortName checks that the name of a repository may consist of one letter.
func TestShortName(t *testing.T) {
	for ref, want := range map[string]string{"registry.example/a:1": "registry.example/a", "a": "docker.io/library/a", "localhost:5000/a/b:1": "localhost:5000/a/b"} {
		if got := repository(t, Options{}, ref, false).Name(); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}
