package remotecache

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// putJSON stores v as a blob in a layout.
func putJSON(t *testing.T, l *localStorage, mediaType string, v any) ocispecs.Descriptor {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := l.put(t.Context(), d, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestReset checks that a reset removes exactly the blobs to which no manifest in the index refers,
// and nothing while another export is running.
func TestReset(t *testing.T) {
	l := &localStorage{dir: t.TempDir(), ref: "latest"}
	layer, config := putJSON(t, l, ocispecs.MediaTypeImageLayer, "layer"), putJSON(t, l, configType, "config")
	lost := ocispecs.Descriptor{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.FromString("lost")}
	nested := putJSON(t, l, ocispecs.MediaTypeImageManifest, ocispecs.Manifest{Config: config, Layers: []ocispecs.Descriptor{layer}})
	unused := putJSON(t, l, ocispecs.MediaTypeImageLayer, "unused")
	data, err := json.Marshal(ocispecs.Index{Manifests: []ocispecs.Descriptor{nested, lost}})
	if err != nil {
		t.Fatal(err)
	}
	root := ocispecs.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
	if err := l.tag(t.Context(), root, data); err != nil {
		t.Fatal(err)
	}
	release, err := l.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	exists := func(d ocispecs.Descriptor) bool {
		_, err := os.Stat(l.blob(d.Digest))
		return err == nil
	}
	if err := l.reset(t.Context()); err != nil || !exists(unused) {
		t.Errorf("reset during an export: %v, the unused blob exists: %t", err, exists(unused))
	}
	release()
	if err := l.reset(t.Context()); err != nil || exists(unused) {
		t.Errorf("reset: %v, the unused blob exists: %t", err, exists(unused))
	}
	for _, d := range []ocispecs.Descriptor{root, nested, layer, config} {
		if !exists(d) {
			t.Errorf("the reset has removed %+v", d)
		}
	}
}

// TestExportAttributes checks the compression that the attributes of an export select, and the errors
// for invalid attributes.
func TestExportAttributes(t *testing.T) {
	for _, tc := range []struct {
		attrs map[string]string
		want  string // compression, or an error
	}{
		{map[string]string{}, "{ 0 false}"},
		{map[string]string{"compression": "zstd", "compression-level": "19"}, "{zstd 19 false}"},
		{map[string]string{"compression": "uncompressed", "force-compression": ""}, "{uncompressed 0 true}"},
		{map[string]string{"compression": "gzip", "force-compression": "true", "reset": "true"}, "{ 0 true}"},
		{map[string]string{"compression": "lzma"}, `unknown compression "lzma"`},
		{map[string]string{"compression-level": "fast"}, "compression-level=fast is not a number"},
		{map[string]string{"force-compression": "maybe"}, "force-compression=maybe is neither true nor false"},
	} {
		tc.attrs["dest"] = "x"
		to, err := NewTo("local", tc.attrs)
		got := fmt.Sprint(to.Compression)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%v: got %q, want %q", tc.attrs, got, tc.want)
		}
	}
	if _, err := NewTo("registry", map[string]string{"ref": "x", "reset": "true"}); err == nil {
		t.Error("the reset of a cache in a registry is not an error")
	}
	if _, err := NewFrom("registry", map[string]string{"ref": "x", "mode": "max"}); err != nil {
		t.Errorf("import with the attributes of an export: %v", err)
	}
}
