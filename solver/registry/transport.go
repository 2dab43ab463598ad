package registry

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/containerd/containerd/v2/core/remotes/docker"
)

// These are the maximum sizes, in bytes, of response bodies that are read into memory.
const (
	maxManifest = 16 << 20
	maxToken    = 1 << 20
)

// clearTextGuard is a transport that refuses to send credentials over HTTP, except to
// localhost and to hosts for which the user allowed it. Without it, the challenge or
// redirect of a registry could make the client send them to any host.
type clearTextGuard struct {
	http.RoundTripper
	hosts map[string]bool // hosts for which the user allowed HTTP, without ports
}

func (c *clearTextGuard) allow(host string) { c.hosts[hostname(host)] = true }

// hostname returns the host of HOST or HOST:PORT.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// RoundTrip implements [http.RoundTripper].
func (c *clearTextGuard) RoundTrip(req *http.Request) (*http.Response, error) {
	secret := req.Header.Get("Authorization") != "" ||
		req.Method == http.MethodPost && strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	if secret && req.URL.Scheme == "http" && !docker.IsLocalhost(req.URL.Host) && !c.hosts[hostname(req.URL.Host)] {
		return nil, fmt.Errorf("credentials are not sent to http://%s in clear text (use HTTPS, or allow HTTP for the registry in hosts.toml)", req.URL.Host)
	}
	return c.RoundTripper.RoundTrip(req)
}

// manifestLimit is a transport that limits the size of manifests.
type manifestLimit struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (m manifestLimit) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.Contains(req.URL.Path, "/manifests/") {
		return limitTransport{m.RoundTripper, maxManifest}.RoundTrip(req)
	}
	return m.RoundTripper.RoundTrip(req)
}

// limitTransport is a transport that limits the size of response bodies in bytes.
type limitTransport struct {
	http.RoundTripper
	limit int64
}

// RoundTrip implements [http.RoundTripper].
func (l limitTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = &limitedBody{resp.Body, l.limit, fmt.Errorf("the answer of %s has more than %d bytes", req.URL.Host, l.limit)}
	}
	return resp, err
}

type limitedBody struct {
	io.ReadCloser
	left  int64
	large error
}

// Read implements [io.Reader].
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, b.large
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, b.large
	}
	return n, err
}
