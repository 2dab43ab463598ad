package llbsource

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/containerd/platforms"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/slowtest"
	"slipway/solver"
	"slipway/solver/registry"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// hostile is an image whose manifest, config and layer may contradict each other.
type hostile struct {
	blobs map[string]string // contents, by digest
	root  string            // digest of the manifest
	layer ocispecs.Descriptor
	image ocispecs.Manifest
	diff  digest.Digest
}

// newHostile returns an image with the given layer. If the function change is not nil,
// newHostile calls it to modify the image. It then adds the parts that are still missing:
// config, layers and manifest.
func newHostile(layer string, change func(*hostile)) *hostile {
	h := &hostile{blobs: map[string]string{}, diff: digest.FromString(layer)}
	h.layer = h.add(ocispecs.MediaTypeImageLayer, layer)
	h.image = ocispecs.Manifest{MediaType: ocispecs.MediaTypeImageManifest}
	h.image.SchemaVersion = 2
	if change != nil {
		change(h)
	}
	if h.image.Config.Digest == "" {
		h.image.Config = h.add(ocispecs.MediaTypeImageConfig, imageConfig(string(h.diff)))
	}
	if h.image.Layers == nil {
		h.image.Layers = []ocispecs.Descriptor{h.layer}
	}
	if h.root == "" {
		h.root = string(h.addJSON(h.image.MediaType, h.image).Digest)
	}
	return h
}

func (h *hostile) add(kind, data string) ocispecs.Descriptor {
	h.blobs[sum(data)] = data
	return ocispecs.Descriptor{MediaType: kind, Digest: digest.FromString(data), Size: int64(len(data))}
}

func (h *hostile) addJSON(kind string, v any) ocispecs.Descriptor {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return h.add(kind, string(data))
}

// store returns an OCI image layout in memory with all blobs of the image.
func (h *hostile) store() *layout {
	files := fstest.MapFS{}
	for d, data := range h.blobs {
		files[blobName(digest.Digest(d))] = &fstest.MapFile{Data: []byte(data)}
	}
	return &layout{files}
}

// ServeHTTP answers requests like a registry that contains only the image h.
func (h *hostile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if name == "latest" {
		name = h.root
	}
	data, ok := h.blobs[name]
	switch {
	case r.URL.Path == "/v2/":
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		if strings.Contains(r.URL.Path, "/manifests/") {
			var m struct{ MediaType string }
			_ = json.Unmarshal([]byte(data), &m)
			w.Header().Set("Content-Type", m.MediaType)
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = io.WriteString(w, data)
	}
}

func hostileSources(t testing.TB) *Sources {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Sources{Store: store, Cache: solver.NewMemoryCache(), Registry: registry.New(registry.Options{}), Limits: tree.Limits{Bytes: 1 << 20, Files: 1000, Names: 1 << 16}}
}

// fetch resolves the image reference ref for linux/amd64 and fetches the layers.
func (s *Sources) fetch(ctx context.Context, ref string) error {
	p := platforms.MustParse("linux/amd64")
	img, err := s.Resolve(ctx, ref, &p, false)
	if err != nil {
		return err
	}
	_, err = img.Fetch(ctx)
	return err
}

// bomb returns a tar archive with the given headers and without file contents, even if a
// header specifies a size.
func bomb(t *testing.T, headers ...*tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	for _, h := range headers {
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func zeros(t *testing.T, size int64) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "zeros", Size: size}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t *testing.T, data string) string {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.EncodeAll([]byte(data), nil))
}

// compressed returns a change for newHostile that replaces the image's layer. The
// parameter kind is the media type of the new layer, and data is the content of its blob.
func compressed(kind, data string) func(*hostile) {
	return func(h *hostile) { h.layer = h.add(kind, data) }
}

func many(n int) []tarEntry {
	var list []tarEntry
	for i := range n {
		list = append(list, tarEntry{name: fmt.Sprint(i)})
	}
	return list
}

// TestHostileImages checks that fetching an inconsistent image from a registry or layout
// returns an error with the name of the image and the inconsistent part. It also checks
// that no file is written outside the store.
func TestHostileImages(t *testing.T) {
	slowtest.Skip(t, "reaches the limits of images")
	good := makeTar(t, tarEntry{name: "a", data: "x"})
	platform := &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	gz := gzipped(t, good)
	for _, tc := range []struct {
		about, layer string
		change       func(*hostile)
		want         string
	}{
		{"good", good, nil, ""},
		{"good gzip", good, compressed(ocispecs.MediaTypeImageLayerGzip, gz), ""},
		{"good zstd", good, compressed(ocispecs.MediaTypeImageLayerZstd, zstded(t, good)), ""},
		{"name above", makeTar(t, tarEntry{name: "../../etc/x", data: "x"}), nil, `layer 0: layer entry "../../etc/x": the name leaves the layer`},
		{"entry on a link", makeTar(t, tarEntry{name: "l", link: "/"}, tarEntry{name: "l", data: "x"}, tarEntry{name: "l/x", data: "x"}), nil, "layer 0: layer entry \"l/x\": /l is a file"},
		{"whiteout of the parent", makeTar(t, tarEntry{name: ".wh..."}), nil, "layer 0: layer entry \".wh...\": the whiteout names no file"},
		{"whiteout of the directory", makeTar(t, tarEntry{name: "a/.wh.."}), nil, "layer 0: layer entry \"a/.wh..\": the whiteout names no file"},
		{"opaque root", makeTar(t, tarEntry{name: ".wh..wh..opq"}), nil, ""},
		{"deep", makeTar(t, tarEntry{name: strings.Repeat("a/", 2100)}), nil, "file name too long"},
		{"long", makeTar(t, tarEntry{name: strings.Repeat("a", 300)}), nil, "file name too long"},
		{"too large", zeros(t, 2<<20), nil, `layer 0: layer entry "zeros": the layer is too large`},
		{"promises much", bomb(t, &tar.Header{Name: "huge", Size: 1 << 60}), nil, `layer 0: layer entry "huge": the layer is too large`},
		{"promises more than it holds", bomb(t, &tar.Header{Name: "x", Size: 1 << 19}), nil, `layer 0: layer entry "x": unexpected EOF`},
		{"many entries", makeTar(t, many(1001)...), nil, "the layer has too many files"},
		{"many names", makeTar(t, filesWithLongNames(500)...), nil, "the layer has too long names and attributes"},
		{"gzip bomb", zeros(t, 64<<20), compressed(ocispecs.MediaTypeImageLayerGzip, gzipped(t, zeros(t, 64<<20))), "the layer is too large"},
		{"zstd bomb", zeros(t, 64<<20), compressed(ocispecs.MediaTypeImageLayerZstd, zstded(t, zeros(t, 64<<20))), "the layer is too large"},
		{"no archive", strings.Repeat("x", 2000), nil, "layer 0: read layer: archive/tar: invalid tar header"},
		{"half a gzip", good, compressed(ocispecs.MediaTypeImageLayerGzip, gz[:len(gz)/2]), "layer 0: "},
		{"damaged gzip", good, compressed(ocispecs.MediaTypeImageLayerGzip, gz[:len(gz)-6]+"123456"), "layer 0: gzip: invalid checksum"},
		{"another diff id", good, func(h *hostile) { h.diff = digest.FromString("other") }, "uncompressed, and should be " + sum("other")},
		{"invalid diff id", good, func(h *hostile) { h.diff = "sha256:../../x" }, `config: diff_ids: layer 0: "sha256:../../x": invalid checksum digest`},
		{"empty diff id", good, func(h *hostile) { h.diff = "" }, `config: diff_ids: layer 0: "": invalid checksum digest`},
		{"too many layers", good, func(h *hostile) {
			ids := make([]string, snapshot.MaxLayers+1)
			for i := range ids {
				ids[i] = string(h.diff)
				h.image.Layers = append(h.image.Layers, h.layer)
			}
			delete(h.blobs, string(h.layer.Digest)) // the layer must not be fetched
			h.image.Config = h.add(ocispecs.MediaTypeImageConfig, imageConfig(ids...))
		}, "has 1025 layers, more than 1024"},
		{"more layers than diff ids", good, func(h *hostile) { h.image.Layers = []ocispecs.Descriptor{h.layer, h.layer} }, "has 2 layers, its config lists 1"},
		{"another blob", good, func(h *hostile) { h.blobs[string(h.layer.Digest)] = "other" }, "layer 0: "},
		{"another config", good, func(h *hostile) {
			h.image.Config = h.add(ocispecs.MediaTypeImageConfig, imageConfig("x"))
			h.blobs[string(h.image.Config.Digest)] = "{}"
		}, "config: "},
		{"config that is none", good, func(h *hostile) { h.image.Config = h.add(ocispecs.MediaTypeImageConfig, "[]") }, "config: json: cannot unmarshal"},
		{"missing config", good, func(h *hostile) { h.image.Config = ocispecs.Descriptor{Digest: digest.FromString("none"), Size: 4} }, "config: "},
		{"another manifest", good, func(h *hostile) { h.root = sum("x"); h.blobs[h.root] = "{}" }, ""},
		{"missing blob", good, func(h *hostile) { delete(h.blobs, string(h.layer.Digest)) }, "layer 0: "},
		{"a size too small", good, func(h *hostile) { h.layer.Size-- }, "layer 0: "},
		{"a size too large", good, func(h *hostile) { h.layer.Size++ }, "layer 0: "},
		{"a negative size", good, func(h *hostile) { h.layer.Size = -5 }, "layer 0: "},
		{"an invalid digest", good, func(h *hostile) { h.layer.Digest = "sha256:../../../etc/passwd" }, `layer 0: "sha256:../../../etc/passwd": invalid checksum digest`},
		{"an unknown digest", good, func(h *hostile) { h.layer.Digest = "md5:d41d8cd98f00b204e9800998ecf8427e" }, "layer 0: "},
		{"a chart as layer", good, func(h *hostile) { h.layer.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip" }, `layer 0: media type "application/vnd.cncf.helm.chart.content.v1.tar+gzip" is not a layer type`},
		{"an encrypted layer", good, func(h *hostile) { h.layer.MediaType += "+gzip+encrypted" }, "is not a layer type"},
		{"a layer of elsewhere", good, func(h *hostile) {
			h.layer.URLs = []string{"http://169.254.169.254/secrets"}
			delete(h.blobs, string(h.layer.Digest))
		}, "layer 0: "},
		{"a manifest of something else", good, func(h *hostile) { h.image.MediaType = "application/vnd.oci.artifact.manifest.v1+json" }, "manifest"},
		{"an index in the index", good, func(h *hostile) {
			inner := h.addJSON(ocispecs.MediaTypeImageIndex, ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{}})
			inner.Platform = platform
			h.root = string(h.addJSON(ocispecs.MediaTypeImageIndex, ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{inner}}).Digest)
		}, "the index has an index for platform linux/amd64"},
		{"an empty index", good, func(h *hostile) {
			h.root = string(h.addJSON(ocispecs.MediaTypeImageIndex, ocispecs.Index{MediaType: ocispecs.MediaTypeImageIndex, Manifests: []ocispecs.Descriptor{}}).Digest)
		}, "no match for platform linux/amd64"},
	} {
		h := newHostile(tc.layer, tc.change)
		server := httptest.NewServer(h)
		ref := strings.TrimPrefix(server.URL, "http://") + "/hostile:latest"
		for from, fetch := range map[string]func(*Sources) error{
			"registry": func(s *Sources) error { return s.fetch(t.Context(), ref) },
			"layout": func(s *Sources) error {
				img, err := s.imageIn(t.Context(), ref, h.store(), ocispecs.Descriptor{Digest: digest.Digest(h.root)}, platforms.MustParse("linux/amd64"))
				if err == nil {
					_, err = img.Fetch(t.Context())
				} else {
					err = fmt.Errorf("image %s: %w", ref, err)
				}
				return err
			},
		} {
			s := hostileSources(t)
			err := fetch(s)
			if tc.about == "another manifest" {
				tc.want = "manifest" // a registry's response shows it, in a layout the digest
				if from == "layout" {
					tc.want = "what should be " + h.root + " is "
				}
			}
			if (err == nil) != (tc.want == "") {
				t.Errorf("%s, %s: error %v, want %s", tc.about, from, err, tc.want)
			}
			if err == nil {
				continue
			}
			if got := err.Error(); !strings.Contains(got, tc.want) || !strings.HasPrefix(got, "image "+ref+": ") || strings.Count(got, "image "+ref) != 1 || len(got) > 2000 {
				t.Errorf("%s, %s: error %s, want %s", tc.about, from, got, tc.want)
			}
		}
		server.Close()
	}
	if _, err := os.Stat("/etc/x"); err == nil {
		t.Error("a file was written outside")
	}
}

// filesWithLongNames returns n archive entries with names of more than 200 bytes each, to
// exceed limits on the total length of names.
func filesWithLongNames(n int) []tarEntry {
	list := many(n)
	for i := range list {
		list[i].name += strings.Repeat("n", 200)
	}
	return list
}

// TestFailingRegistry checks that fetching an image from a registry that fails or stalls
// returns an error with the image's name, without a long delay.
func TestFailingRegistry(t *testing.T) {
	h := newHostile(makeTar(t, tarEntry{name: "a", data: strings.Repeat("x", 100_000)}), nil)
	layer := string(h.layer.Digest)
	hang := make(chan struct{})
	defer close(hang)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	cuts := 0
	for about, tc := range map[string]struct {
		serve http.HandlerFunc
		want  string // "" is success
	}{
		"401": {status(401), "401"}, "403": {status(403), "403"}, "404": {status(404), "not found"},
		"429": {status(429), "429"}, "500": {status(500), "500"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "manifest: invalid character '<'"},
		"hangs":   {func(http.ResponseWriter, *http.Request) { <-hang }, "sent nothing for"},
		"hangs within a layer": {func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, layer) {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(h.layer.Size))
			_, _ = io.WriteString(w, h.blobs[layer][:1000])
			w.(http.Flusher).Flush()
			<-hang
		}, "layer 0: "},
		"cuts each time": {func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, layer) {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(h.layer.Size))
			_, _ = io.WriteString(w, h.blobs[layer][:1000])
		}, "layer 0: "},
		"cuts twice": {func(w http.ResponseWriter, r *http.Request) {
			if cuts++; !strings.HasSuffix(r.URL.Path, layer) || cuts > 5 {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(h.layer.Size))
			_, _ = io.WriteString(w, h.blobs[layer][:1000])
		}, ""},
		"redirects for ever": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirects"},
	} {
		server := httptest.NewServer(tc.serve)
		ref := strings.TrimPrefix(server.URL, "http://") + "/failing:latest"
		s := hostileSources(t)
		s.Registry = registry.New(registry.Options{
			Transport: func(rt http.RoundTripper) http.RoundTripper { return Stall(rt, time.Second) },
			Waits:     []time.Duration{time.Millisecond},
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := s.fetch(ctx, ref)
		switch {
		case ctx.Err() != nil:
			t.Errorf("%s: does not end", about)
		case (err == nil) != (tc.want == ""), err != nil && (!strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), ref)):
			t.Errorf("%s: error %v, want %s", about, err, tc.want)
		}
		cancel()
		server.CloseClientConnections()
	}
}

// TestCancelledFetch checks that a request to a registry can be canceled.
func TestCancelledFetch(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.CloseClientConnections()
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := hostileSources(t).fetch(ctx, strings.TrimPrefix(server.URL, "http://")+"/cancelled:latest"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// TestNothingOutside checks that unpacking a layer writes nothing outside its destination,
// not even through links. The layer contains links and paths to the outside that are not
// errors: they are interpreted relative to the destination.
func TestNothingOutside(t *testing.T) {
	outside := t.TempDir()
	data := makeTar(t, tarEntry{name: "abs", link: outside}, tarEntry{name: "abs/x", data: "x"}, tarEntry{name: "up", link: strings.Repeat("../", 30) + outside}, tarEntry{name: "up/y", data: "y"}, tarEntry{name: outside + "/z", data: "z"})
	s := hostileSources(t)
	n, err := tree.ReadLayer(nil, strings.NewReader(data), s.Store, tree.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteDir(t.Context(), dir, n, s.Store, tree.HostOptions{}); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("files outside: %v, %v, want none", list, err)
	}
	for _, name := range []string{"x", "y", "z"} {
		if _, err := os.Stat(filepath.Join(dir, outside, name)); err != nil {
			t.Error(err)
		}
	}
}
