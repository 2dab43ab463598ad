package registry

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/fakeregistry"
)

func as(user string) Credentials {
	return func(name string) (Login, error) { return Login{User: user, Secret: fakeregistry.Password}, nil }
}

func repository(t *testing.T, o Options, ref string, insecure bool) *Repository {
	t.Helper()
	r, err := New(o).Repository(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func describe(mediaType, data string) ocispecs.Descriptor {
	return ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromString(data), Size: int64(len(data))}
}

func opener(data string) func() (io.ReadCloser, error) { return inMemory([]byte(data)) }

const (
	layer    = "the content of a layer"
	manifest = `{"schemaVersion":2,"mediaType":"` + ocispecs.MediaTypeImageManifest + `"}`
)

// write pushes the test's layer and manifest to a repository.
func write(t *testing.T, r *Repository) error {
	t.Helper()
	err := r.Push(t.Context(), describe(ocispecs.MediaTypeImageLayer, layer), opener(layer))
	if err == nil {
		err = r.Tag(t.Context(), describe(ocispecs.MediaTypeImageManifest, manifest), []byte(manifest))
	}
	return err
}

// read pulls the layer and the manifest that the function write pushed, and checks their
// content.
func read(t *testing.T, r *Repository) error {
	t.Helper()
	d, err := r.Resolve(t.Context())
	if err != nil {
		return err
	}
	if want := describe(ocispecs.MediaTypeImageManifest, manifest); d.Digest != want.Digest || d.Size != want.Size || d.MediaType != want.MediaType {
		t.Errorf("descriptor %v, want %v", d, want)
	}
	for _, known := range []ocispecs.Descriptor{d, {Digest: d.Digest}} {
		if data, err := r.Manifest(t.Context(), known); err != nil || string(data) != manifest {
			t.Errorf("manifest %s, %v", data, err)
		}
	}
	for _, size := range []int64{int64(len(layer)), -1} {
		blob := describe(ocispecs.MediaTypeImageLayer, layer)
		blob.Size = size
		rc, err := r.Blob(t.Context(), blob)
		if err != nil {
			return err
		}
		if data, err := io.ReadAll(rc); err != nil || string(data) != layer {
			t.Errorf("layer of size %d: %s, %v", size, data, err)
		}
		if err := rc.Close(); err != nil {
			return err
		}
	}
	return nil
}

// TestPushAndPull checks that pushed content can be pulled, over HTTP and HTTPS, with each
// kind of login, and with repository names of one letter.
func TestPushAndPull(t *testing.T) {
	for about, s := range map[string]*fakeregistry.Server{
		"no login": fakeregistry.Start(t, fakeregistry.None), "basic": fakeregistry.Start(t, fakeregistry.Basic), "token": fakeregistry.Start(t, fakeregistry.Token),
		"tls": fakeregistry.StartTLS(t, fakeregistry.Token),
	} {
		o := Options{Credentials: as(fakeregistry.User)}
		r := repository(t, o, s.Host+"/x:1", false)
		if err := errors.Join(r.CheckPush(t.Context()), write(t, r), read(t, r)); err != nil {
			t.Errorf("%s: %v", about, err)
		}
		// The same manifest is pushed with a second tag and without a tag.
		two := repository(t, o, s.Host+"/x:2", false)
		if err := errors.Join(write(t, two), read(t, two)); err != nil {
			t.Errorf("%s, second tag: %v", about, err)
		}
		other := `{"schemaVersion":2,"mediaType":"` + ocispecs.MediaTypeImageManifest + `","x":1}`
		d := describe(ocispecs.MediaTypeImageManifest, other)
		if err := errors.Join(r.PushManifest(t.Context(), d, []byte(other)), read(t, r)); err != nil {
			t.Errorf("%s, by digest: %v", about, err)
		}
		if data, err := r.Manifest(t.Context(), d); err != nil || string(data) != other {
			t.Errorf("%s, by digest: %s, %v", about, data, err)
		}
	}
}

// TestRequests checks which requests the client sends. The client must send no superfluous
// requests when it pushes existing content or pulls by digest, and CheckPush must cancel
// the upload that it starts.
func TestRequests(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	r := repository(t, Options{}, s.Host+"/x:1", false)
	if err := r.CheckPush(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := s.TakeRequests()
	if len(seen) != 2 || seen[0] != "POST /v2/x/blobs/uploads/" || !strings.HasPrefix(seen[1], "DELETE /v2/x/blobs/uploads/") {
		t.Errorf("CheckPush sent %q", seen)
	}
	if err := write(t, r); err != nil {
		t.Fatal(err)
	}
	s.TakeRequests()
	r = repository(t, Options{}, s.Host+"/x:1", false)
	if err := errors.Join(write(t, r), read(t, r)); err != nil {
		t.Fatal(err)
	}
	l, m := digest.FromString(layer).String(), digest.FromString(manifest).String()
	want := []string{
		"HEAD /v2/x/blobs/" + l, "HEAD /v2/x/manifests/1", // push
		"HEAD /v2/x/manifests/1", "GET /v2/x/manifests/" + m, // pull by tag
		"HEAD /v2/x/manifests/" + m, "GET /v2/x/manifests/" + m, // pull by digest
		"GET /v2/x/blobs/" + l,
		"HEAD /v2/x/blobs/" + l, "GET /v2/x/blobs/" + l, // pull a blob of unknown size
	}
	if seen := s.TakeRequests(); !slices.Equal(seen, want) {
		t.Errorf("requests\n%q, want\n%q", seen, want)
	}
}

// TestDenied checks that a pull or push without access fails before any content is sent.
// The error is one line and includes a hint.
func TestDenied(t *testing.T) {
	for _, tc := range []struct {
		auth  fakeregistry.Auth
		user  string
		reads bool
		want  string
	}{
		{fakeregistry.Basic, "", false, "(log in with: slipway login HOST)"},
		{fakeregistry.Token, "", false, "(log in with: slipway login HOST)"},
		{fakeregistry.Basic, fakeregistry.Reader, true, "(the credentials of bob for HOST do not suffice; log in as another user with: slipway login HOST)"},
		{fakeregistry.Token, fakeregistry.Reader, true, "(the credentials of bob for HOST do not suffice; log in as another user with: slipway login HOST)"},
	} {
		s := fakeregistry.Start(t, tc.auth)
		if err := write(t, repository(t, Options{Credentials: as(fakeregistry.User)}, s.Host+"/x:1", false)); err != nil {
			t.Fatal(err)
		}
		var o Options
		if tc.user != "" {
			o.Credentials = as(tc.user)
		}
		r := repository(t, o, s.Host+"/x:1", false)
		s.TakeRequests()
		check := func(action string, err error) {
			t.Helper()
			want := strings.ReplaceAll(tc.want, "HOST", s.Host)
			if err == nil || !strings.Contains(err.Error(), action+" access denied") || !strings.HasSuffix(err.Error(), want) || strings.ContainsAny(err.Error(), "\n") {
				t.Errorf("%v %s %s: error %v, want %s", tc.auth, tc.user, action, err, want)
			}
		}
		check("push", r.CheckPush(t.Context()))
		for _, req := range s.TakeRequests() {
			if strings.HasPrefix(req, "PUT") || strings.HasPrefix(req, "PATCH") {
				t.Errorf("CheckPush sent %s", req)
			}
		}
		check("push", r.Push(t.Context(), describe(ocispecs.MediaTypeImageLayer, "new"), opener("new")))
		if err := read(t, r); tc.reads {
			if err != nil {
				t.Errorf("%v %s: %v", tc.auth, tc.user, err)
			}
		} else {
			check("pull", err)
		}
	}
}

// TestErrors checks that an error about a registry's response is one line of limited
// length and contains no URL query.
func TestErrors(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	r := repository(t, Options{}, s.Host+"/x:1", false)
	if _, err := r.Resolve(t.Context()); err == nil || err.Error() != "not found" {
		t.Errorf("error %v", err)
	}
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/signed" {
			http.Redirect(w, r, "/signed?Signature=SECRET&x=y", http.StatusTemporaryRedirect)
			return true
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"one\ntwo\u001b[31m`+strings.Repeat(" long", 1000)+`"}]}`)
		return true
	}
	_, err := r.Blob(t.Context(), describe("a/b", layer))
	if err == nil || !strings.HasPrefix(err.Error(), "unexpected status from GET request to "+s.URL+"/signed: 418 I'm a teapot: denied: one: two [31m long") {
		t.Errorf("error %v", err)
	}
	if err != nil && (strings.Contains(err.Error(), "SECRET") || len(err.Error()) > 610) {
		t.Errorf("error %v", err)
	}
}

// TestLargeManifest checks that the client does not read a manifest that exceeds the size
// limit.
func TestLargeManifest(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	s.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Docker-Content-Digest", string(digest.FromString("x")))
		w.Header().Set("Content-Length", "5000000")
		return true
	}
	_, err := repository(t, Options{}, s.Host+"/x:1", false).Resolve(t.Context())
	if want := "rejecting 5000000 byte manifest for " + s.Host + "/x:1"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestRedirects checks that the client stops after ten redirects.
func TestRedirects(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		return true
	}
	r := repository(t, Options{}, s.Host+"/x:1", false)
	for what, request := range map[string]func() error{
		"tag":  func() error { _, err := r.Resolve(t.Context()); return err },
		"blob": func() error { _, err := r.Blob(t.Context(), describe("a/b", layer)); return err },
		"push": func() error { return r.Push(t.Context(), describe("a/b", layer), opener(layer)) },
	} {
		s.TakeRequests()
		err := request()
		if n := len(s.TakeRequests()); err == nil || !strings.Contains(err.Error(), "stopped after 10 redirects") || n != 10 {
			t.Errorf("%s: %d requests, error %v", what, n, err)
		}
	}
}

// endless is an HTTP handler that writes until the client disconnects.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", ocispecs.MediaTypeImageManifest)
	line := bytes.Repeat([]byte(" "), 1<<16)
	for r.Context().Err() == nil {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// TestEndless checks that the client stops reading an endless manifest, token or blob.
func TestEndless(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.Token)
	at := ""
	s.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, at) || r.Method == http.MethodHead {
			return at != "/token" && strings.Contains(r.URL.Path, at) // a HEAD response without a digest
		}
		endless(w, r)
		return true
	}
	for _, tc := range []struct{ at, want string }{
		{"/manifests/", "has more than 16777216 bytes"}, {"/token", "has more than 1048576 bytes"},
	} {
		at = tc.at
		r := repository(t, Options{}, s.Host+"/x:1", false)
		if _, err := r.Resolve(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", at, err, tc.want)
		}
	}
	at = "/blobs/"
	rc, err := repository(t, Options{}, s.Host+"/x:1", false).Blob(t.Context(), describe("a/b", layer))
	if err == nil {
		_, err = io.Copy(io.Discard, rc)
		err = errors.Join(err, rc.Close())
	}
	if err == nil {
		t.Error("no error for an endless blob")
	}
}

// TestRetries checks that the client retries a temporary failure once for each element of
// Options.Waits, and sends a blob from the beginning each time.
func TestRetries(t *testing.T) {
	s := fakeregistry.Start(t, fakeregistry.None)
	o := Options{Waits: []time.Duration{time.Millisecond, time.Millisecond}}
	r := repository(t, o, s.Host+"/x:1", false)
	if err := write(t, r); err != nil {
		t.Fatal(err)
	}
	failures, method, status := 0, "", http.StatusBadGateway
	s.Before = func(w http.ResponseWriter, req *http.Request) bool {
		if method != "" && req.Method != method {
			return false
		}
		if failures--; failures < 0 {
			return false
		}
		_, _ = io.CopyN(io.Discard, req.Body, 100_000)
		w.WriteHeader(status)
		return true
	}
	big := strings.Repeat("x", 1<<20)
	for what, request := range map[string]func() error{
		"tag":  func() error { _, err := r.Resolve(t.Context()); return err },
		"read": func() error { return read(t, r) },
		"push": func() error {
			big += "x"
			return repository(t, o, s.Host+"/x:1", false).Push(t.Context(), describe("a/b", big), opener(big))
		},
	} {
		if failures, method = 2, ""; what == "push" {
			method = http.MethodPut
		}
		if err := request(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if failures = 99; request() == nil {
			t.Errorf("%s: no error after many failures", what)
		}
	}
	failures, method, status = 1, "", http.StatusBadRequest
	if _, err := r.Resolve(t.Context()); err == nil {
		t.Error("an invalid request was retried")
	}
}
