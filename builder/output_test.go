package builder

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/go-archive/compression"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/slowtest"
	"slipway/internal/testarchive"
	"slipway/solver/llbsource"
	"slipway/solver/tree"
)

// TestSameImage checks that a later build that takes all steps from the cache produces the
// same image as the first build.
func TestSameImage(t *testing.T) {
	o := options(t, "FROM scratch\nENV A=1\nCOPY base /\nCOPY a /\nENV B=2\n")
	o.Describe = true
	now := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	o.Now = func() time.Time { return now }
	id := func() string {
		t.Helper()
		res, err := Build(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return res.Exported["containerimage.config.digest"]
	}
	first := id()
	now = now.Add(time.Hour)
	if again := id(); again != first || again == "" {
		t.Errorf("the same build made %s and %s", first, again)
	}
	if err := os.WriteFile(filepath.Join(o.Context, "a"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if changed := id(); changed == first {
		t.Errorf("another file made the same image %s", first)
	}
}

// TestCompression checks that layers have the requested compression, equal contents, and
// the same bytes in each build.
func TestCompression(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	o := options(t, "FROM scratch\nCOPY a /\n")
	diffIDs := map[string]bool{}
	for attrs, kind := range map[string]string{
		"": "tar+gzip", "compression=gzip": "tar+gzip", "compression-level=9": "tar+gzip", "compression=gzip,compression-level=1": "tar+gzip",
		"compression=zstd": "tar+zstd", "compression=zstd,compression-level=19": "tar+zstd", "compression=uncompressed": "tar",
	} {
		var layers [2]digest.Digest
		for i := range layers {
			o.State = t.TempDir()
			dest := filepath.Join(t.TempDir(), "x.tar")
			out, err := ParseOutput(strings.TrimSuffix("type=oci,dest="+dest+","+attrs, ","))
			if err != nil {
				t.Fatal(err)
			}
			o.Outputs = []Output{out}
			if err := Run(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			src := &llbsource.Sources{Store: newStore(t)}
			d, err := src.FindImage(t.Context(), dest, "")
			if err != nil {
				t.Fatal(err)
			}
			blobs := archiveBlobs(t, dest)
			var m ocispecs.Manifest
			if err := json.Unmarshal(blobs[d], &m); err != nil {
				t.Fatal(err)
			}
			l := m.Layers[0]
			if layers[i] = l.Digest; l.MediaType != "application/vnd.oci.image.layer.v1."+kind {
				t.Errorf("%s: %s", attrs, l.MediaType)
			}
			r, err := compression.DecompressStream(bytes.NewReader(blobs[l.Digest]))
			if err != nil {
				t.Fatal(err)
			}
			diffID, err := digest.FromReader(r)
			if err != nil {
				t.Fatal(err)
			}
			diffIDs[string(diffID)] = true
		}
		if layers[0] != layers[1] {
			t.Errorf("%s: two builds made %v", attrs, layers)
		}
	}
	if len(diffIDs) != 1 {
		t.Errorf("contents %v", diffIDs)
	}
}

func newStore(t *testing.T) *tree.Store {
	t.Helper()
	s, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// archiveBlobs returns the blobs in an OCI archive, by digest.
func archiveBlobs(t *testing.T, file string) map[digest.Digest][]byte {
	t.Helper()
	blobs := map[digest.Digest][]byte{}
	for _, data := range testarchive.Read(t, file) {
		blobs[digest.FromBytes(data)] = data
	}
	return blobs
}
