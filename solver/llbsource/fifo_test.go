//go:build unix

package llbsource

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestFIFOs checks that reading an image layout that contains a FIFO returns an error instead
// of blocking.
func TestFIFOs(t *testing.T) {
	h := newHostile(makeTar(t, tarEntry{name: "a", data: "x"}), nil)
	index := h.addJSON("", ocispecs.Index{Manifests: []ocispecs.Descriptor{{MediaType: ocispecs.MediaTypeImageManifest, Digest: digest.Digest(h.root)}}})
	files := map[string]string{"index.json": h.blobs[string(index.Digest)]}
	for d, data := range h.blobs {
		files[blobName(digest.Digest(d))] = data
	}
	for about, fifo := range map[string]string{
		"index": "index.json", "manifest": blobName(digest.Digest(h.root)),
		"config": blobName(h.image.Config.Digest), "layer": blobName(h.layer.Digest),
	} {
		dir := t.TempDir()
		for name, data := range files {
			name = filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(data), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		fifo = filepath.Join(dir, fifo)
		if err := errors.Join(os.Remove(fifo), syscall.Mkfifo(fifo, 0o600)); err != nil {
			t.Fatal(err)
		}
		s := hostileSources(t)
		s.Layouts = map[string]string{"store": dir}
		img, err := s.ResolveLayout(t.Context(), "x@"+h.root, "store", Machine())
		if err == nil {
			_, err = img.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), fifo+": is not a regular file") {
			t.Errorf("%s: error %v", about, err)
		}
	}
}
