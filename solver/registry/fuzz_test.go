package registry

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
)

const password = "hidden-from-all"

// scriptedServer is a transport that simulates a hostile registry. It answers with a
// challenge, a token and fuzzed data.
type scriptedServer struct {
	t                              *testing.T
	challenge, token, moved, media string
	body                           string
	asked                          int
}

// RoundTrip implements [http.RoundTripper].
func (s *scriptedServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	_, sent, _ := r.BasicAuth()
	if r.Body != nil {
		data, _ := io.ReadAll(r.Body)
		sent += string(data)
	}
	if r.URL.Scheme == "http" && !docker.IsLocalhost(r.URL.Host) && strings.Contains(sent, password) {
		s.t.Errorf("the password is sent to %s", r.URL)
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(s.body))}
	resp.Header.Set("Content-Type", s.media)
	resp.Header.Set("Docker-Content-Digest", s.media)
	switch {
	case !strings.HasPrefix(r.URL.Path, "/v2/"):
		resp.Body = io.NopCloser(strings.NewReader(s.token))
	case s.challenge != "" && r.Header.Get("Authorization") == "":
		resp.StatusCode = http.StatusUnauthorized
		resp.Header.Set("WWW-Authenticate", s.challenge)
	case s.moved != "" && s.asked%3 > 0:
		resp.StatusCode = http.StatusTemporaryRedirect
		resp.Header.Set("Location", s.moved)
	case r.Method == http.MethodPost:
		resp.StatusCode = http.StatusAccepted
		resp.Header.Set("Location", s.moved)
	}
	return resp, nil
}

// FuzzAnswers checks that the client handles arbitrary responses from a registry, and
// never sends the password over HTTP, except to localhost.
func FuzzAnswers(f *testing.F) {
	f.Add(`Bearer realm="https://r.example/token",service="s",scope="repository:x:pull"`, `{"token":"t","expires_in":60}`, "", "application/vnd.oci.image.manifest.v1+json", "{}")
	f.Add(`Basic realm="r"`, "", "http://r.example/x", "text/html", "<html>")
	f.Add(`Bearer realm="http://r.example/token"`, `{"access_token":""}`, "", "", "")
	f.Add(`Bearer realm="`, "[", "//other/v2/x", "sha256:"+strings.Repeat("0", 64), "x")
	f.Add(`Digest nonce=",`, "null", "%", "", "")
	f.Add("", "", "/v2/x?a=b#c", "application/json", `{"errors":[{"code":"DENIED","detail":{}}]}`)
	f.Fuzz(func(t *testing.T, challenge, token, moved, media, body string) {
		s := &scriptedServer{t: t, challenge: challenge, token: token, moved: moved, media: media, body: body}
		c := New(Options{
			Credentials: func(string) (Login, error) { return Login{User: "me", Secret: password}, nil },
			Transport:   func(http.RoundTripper) http.RoundTripper { return s },
		})
		r, err := c.Repository(t.Context(), "r.example/x:1", false)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.Resolve(t.Context()); err == nil {
			_, _ = r.Manifest(t.Context(), d)
		}
		_ = r.CheckPush(t.Context())
		_ = r.Push(t.Context(), describe("x", layer), opener(layer))
		if rc, err := r.Blob(t.Context(), describe("x", layer)); err == nil {
			_, _ = io.ReadAll(rc)
			_ = rc.Close()
		}
		const limit = 200
		if s.asked > limit {
			t.Errorf("%d requests", s.asked)
		}
	})
}
