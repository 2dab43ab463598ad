//go:build integration

package faults

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"slipway/integration/rig"
)

// A badRegistry is a registry that fails differently for each repository. The name of the
// repository selects the failure.
type badRegistry struct {
	configs  map[string][]byte // image configs, by repository; the images are valid otherwise
	requests chan string       // receives the repository of each request that gets no response
}

func newBadRegistry(t *testing.T) (*badRegistry, string) {
	t.Helper()
	b := &badRegistry{configs: map[string][]byte{}, requests: make(chan string, 100)}
	server := httptest.NewServer(b)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return b, strings.TrimPrefix(server.URL, "http://")
}

func (b *badRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	repository, path, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	if !ok {
		return // the version check, /v2/
	}
	if config, ok := b.configs[repository]; ok {
		serveImage(w, r, path, config)
		return
	}
	switch repository {
	case "unauthorized":
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		w.WriteHeader(http.StatusUnauthorized)
	case "missing":
		w.WriteHeader(http.StatusNotFound)
	case "busy":
		w.WriteHeader(http.StatusTooManyRequests)
	case "broken":
		w.WriteHeader(http.StatusInternalServerError)
	case "garbage":
		w.Header().Set("Content-Type", manifestType)
		fmt.Fprint(w, "\x00<html>not a manifest")
	case "cut":
		panic(http.ErrAbortHandler)
	case "silent":
		b.requests <- repository
		<-r.Context().Done()
	}
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// serveImage serves the manifest or the config of an image that has no layers. The parameter
// path is the part of the URL after the repository.
func serveImage(w http.ResponseWriter, r *http.Request, path string, config []byte) {
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},"layers":[]}`,
		manifestType, digest.FromBytes(config), len(config))
	content, mediaType := manifest, manifestType
	if strings.HasPrefix(path, "blobs/") {
		content, mediaType = config, "application/octet-stream"
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest.FromBytes(content).String())
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // the builder may stop reading
	}
}

// TestRegistry checks that the error for a base image that cannot be pulled names the image
// and the line of the FROM instruction.
func TestRegistry(t *testing.T) {
	registry, addr := newBadRegistry(t)
	registry.configs["number"] = []byte(`5`)
	registry.configs["mistyped"] = []byte(`{"os":"linux","architecture":"amd64","config":{"Env":"not a list"}}`)
	registry.configs["text"] = []byte("not JSON")
	registry.configs["huge"] = []byte(`{"os":"linux","architecture":"amd64","author":"` + strings.Repeat("x", 100<<20) + `"}`)
	for repository, want := range map[string]string{
		"unauthorized": "401 Unauthorized",
		"missing":      "not found",
		"busy":         "429 Too Many Requests",
		"broken":       "500 Internal Server Error",
		"garbage":      "invalid",
		"cut":          "EOF",
		"number":       "failed to parse image config: json: cannot unmarshal number",
		"mistyped":     "failed to parse image config: json: cannot unmarshal string",
		"text":         "failed to parse image config: invalid character",
		"huge":         "message larger than max",
	} {
		t.Run(repository, func(t *testing.T) {
			t.Parallel()
			image := addr + "/" + repository + ":1"
			start := time.Now()
			_, err := builder.Build(withTimeout(t, 2*time.Minute), rig.Request{Dockerfile: "# syntax=" + rig.Ours + "\nFROM busybox\nFROM " + image + "\nCOPY . /\n"})
			_, errUp := builder.Build(withTimeout(t, 2*time.Minute), rig.Request{Dockerfile: "# syntax=" + rig.Upstream + "\nFROM busybox\nFROM " + image + "\nCOPY . /\n"})
			t.Logf("%s after %s\n%v", err, time.Since(start), errUp)
			if err == nil || context.Cause(t.Context()) != nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("error %v, want %s", err, want)
			}
			if !strings.Contains(err.Error(), image) && !strings.Contains(want, "image config") {
				t.Errorf("the error does not name %s: %v", image, err)
			}
			wantLine(t, err, 3)
		})
	}
}

// TestSilentRegistry checks that our frontend ends a build with an error if a registry accepts
// a request but never responds.
func TestSilentRegistry(t *testing.T) {
	t.Parallel()
	_, addr := newBadRegistry(t)
	image := addr + "/silent:1"
	_, err := builder.Build(withTimeout(t, 4*time.Minute), rig.Request{Dockerfile: "# syntax=" + rig.Ours + "\nFROM " + image + "\nCOPY . /\n"})
	if err == nil || !strings.Contains(err.Error(), image) || !strings.Contains(err.Error(), "no answer") {
		t.Fatalf("error %v", err)
	}
	wantLine(t, err, 2)
}

// wantLine checks that err has a source location that starts at the given line number.
func wantLine(t *testing.T, err error, line int32) {
	t.Helper()
	for _, s := range errdefs.Sources(err) {
		for _, r := range s.Ranges {
			if r.Start.Line == line {
				return
			}
		}
	}
	t.Errorf("the error is not about line %d: %v", line, errdefs.Sources(err))
}
