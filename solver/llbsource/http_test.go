package llbsource

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// fileServer is an HTTP server with one file.
type fileServer struct {
	*httptest.Server
	data, etag string
	header     map[string]string // headers of responses
	ignorant   bool              // whether the server ignores If-None-Match

	asked, sent int
	last        http.Header // header of the last request
	methods     []string    // of all requests
}

func newFileServer(t *testing.T) *fileServer {
	t.Helper()
	f := &fileServer{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked++
		f.last = r.Header
		f.methods = append(f.methods, r.Method)
		for k, v := range f.header {
			w.Header().Set(k, v)
		}
		if f.etag != "" {
			w.Header().Set("ETag", f.etag)
		}
		if !f.ignorant && f.etag != "" && r.Header.Get("If-None-Match") == f.etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if r.Method == http.MethodGet {
			f.sent++
		}
		_, _ = w.Write([]byte(f.data))
	}))
	t.Cleanup(f.Close)
	return f
}

// fetch downloads the server's file as a later build would: with new Sources that use the
// store of s and the index of the previous build. The parameter attrs contains attributes
// of the operation. fetch returns the name and the content of the file.
func (f *fileServer) fetch(t *testing.T, s *Sources, attrs map[string]string) (name, data string, err error) {
	t.Helper()
	index := filepath.Join(s.Temp, "index")
	next := &Sources{Store: s.Store, HTTP: s.HTTP, Secrets: s.Secrets, Files: OpenIndex(index, time.Now)}
	d, err := next.ResolveHTTP(t.Context(), &pb.SourceOp{Identifier: f.URL + "/file", Attrs: attrs})
	if err != nil {
		return "", "", err
	}
	if err := next.Files.Save(); err != nil {
		t.Fatal(err)
	}
	b, err := s.Store.Find(d.Blob.Digest, 100)
	if err != nil {
		t.Fatal(err)
	}
	return d.Name, string(b), nil
}

// TestRevalidation checks that a build reuses a downloaded file if the server reports
// that the file has not changed.
func TestRevalidation(t *testing.T) {
	for _, ignorant := range []bool{false, true} {
		s, f := newSources(t), newFileServer(t)
		f.data, f.etag, f.ignorant = "one", `W/"1"`, ignorant
		f.header = map[string]string{"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Content-Disposition": `attachment; filename="name"`}
		for range 3 {
			if name, data, err := f.fetch(t, s, nil); err != nil || name != "name" || data != "one" {
				t.Errorf("%q of %q, %v", data, name, err)
			}
		}
		if got := strings.Join(f.methods, " "); got != "GET HEAD HEAD" || f.sent != 1 {
			t.Errorf("got the requests %s, and the file was sent %d times, want GET HEAD HEAD and once", got, f.sent)
		}
		if got := f.last.Get("User-Agent"); !strings.Contains(got, "buildkit/v") {
			t.Errorf("got the user agent %q, want BuildKit's name in it", got)
		}
		f.data, f.etag = "two", `"2"`
		if _, data, err := f.fetch(t, s, nil); err != nil || data != "two" {
			t.Errorf("changed: %q, %v", data, err)
		}
		f.data, f.etag = "three", ""
		for _, want := range []string{"three", "four"} {
			f.data = want
			if _, data, err := f.fetch(t, s, nil); err != nil || data != want {
				t.Errorf("without an ETag: %q, %v", data, err)
			}
		}
	}
}

// TestDownloadKey checks that a build downloads a file again if the name, the mode or the owner differs.
func TestDownloadKey(t *testing.T) {
	s, f := newSources(t), newFileServer(t)
	f.data, f.etag = "one", `"1"`
	for i, attrs := range []map[string]string{
		nil, {pb.AttrHTTPFilename: "other"}, {pb.AttrHTTPPerm: "0741"}, {pb.AttrHTTPUID: "1000"}, {pb.AttrHTTPGID: "1000"},
	} {
		for range 2 {
			if _, data, err := f.fetch(t, s, attrs); err != nil || data != "one" {
				t.Fatalf("%v: %q, %v", attrs, data, err)
			}
		}
		if f.sent != i+1 {
			t.Errorf("%v: the file was sent %d times, want %d", attrs, f.sent, i+1)
		}
	}
}

// TestLostDownload checks that a build downloads a file again if its content has been
// removed from the store.
func TestLostDownload(t *testing.T) {
	s, f := newSources(t), newFileServer(t)
	f.data, f.etag = "one", `"1"`
	if _, _, err := f.fetch(t, s, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Sweep(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, data, err := f.fetch(t, s, nil); err != nil || data != "one" || f.sent != 2 {
		t.Errorf("%q, %v, sent %d times", data, err, f.sent)
	}
}

// TestChecksum checks that a build sends no request if the store has a file with the
// checksum of the operation.
func TestChecksum(t *testing.T) {
	s, f := newSources(t), newFileServer(t)
	f.data = "one"
	pinned := map[string]string{pb.AttrHTTPChecksum: string(digest.FromString("one"))}
	for range 2 {
		if _, data, err := f.fetch(t, s, pinned); err != nil || data != "one" {
			t.Errorf("%q, %v", data, err)
		}
	}
	if f.asked != 1 {
		t.Errorf("asked %d times", f.asked)
	}
	pinned[pb.AttrHTTPChecksum] = string(digest.FromString("other"))
	if _, _, err := f.fetch(t, s, pinned); err == nil || !strings.Contains(err.Error(), ": "+pinned[pb.AttrHTTPChecksum]+" (the first one is the digest of the download,") {
		t.Errorf("another checksum: %v", err)
	}
}

// TestRequest checks that a request has the headers of the operation and the secrets of
// the build, and that a host's secret is sent to that host only.
func TestRequest(t *testing.T) {
	s, f := newSources(t), newFileServer(t)
	s.Secrets = map[string][]byte{"named": []byte("secret"), "HTTP_AUTH_HEADER_other.test": []byte("no"), "HTTP_AUTH_TOKEN_127.0.0.1": []byte("token")}
	for _, tc := range []struct {
		attrs map[string]string
		name  string
		want  string
	}{
		{nil, "Authorization", "Bearer token"},
		{map[string]string{pb.AttrHTTPAuthHeaderSecret: "named"}, "Authorization", "secret"},
		{map[string]string{"http.header.accept": "text/x"}, "Accept", "text/x"},
		{map[string]string{"http.header.User-Agent": "me"}, "User-Agent", "me"},
		{map[string]string{"http.header.cookie": "x"}, "Cookie", ""},
	} {
		if _, _, err := f.fetch(t, s, tc.attrs); err != nil || f.last.Get(tc.name) != tc.want {
			t.Errorf("%v: %s is %q, want %q; %v", tc.attrs, tc.name, f.last.Get(tc.name), tc.want, err)
		}
	}
	s.Secrets = map[string][]byte{"HTTP_AUTH_HEADER_127.0.0.1": []byte("basic x")}
	if _, _, err := f.fetch(t, s, nil); err != nil || f.last.Get("Authorization") != "basic x" {
		t.Errorf("a header for the host: %q, %v", f.last.Get("Authorization"), err)
	}
	for attr, want := range map[string]string{
		pb.AttrHTTPAuthHeaderSecret: "failed to retrieve HTTP auth secret missing: ",
		pb.AttrHTTPSignatureVerify:  "requires both pubkey and signature",
		pb.AttrHTTPPerm:             "attribute http.perm: ",
	} {
		if _, _, err := f.fetch(t, s, map[string]string{attr: "missing"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", attr, err, want)
		}
	}
}

// TestDownloadInterrupted checks that a download from a silent server can be canceled.
func TestDownloadInterrupted(t *testing.T) {
	done := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(func() { close(done); server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := newSources(t).ResolveHTTP(ctx, &pb.SourceOp{Identifier: server.URL}); err == nil {
		t.Error("no error")
	}
}
