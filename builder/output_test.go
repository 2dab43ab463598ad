package builder

import (
	"bytes"
	"encoding/json"
	"errors"
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

// TestCompression checks that an output has layers with the requested compression. With
// each compression, the layers must have the same contents, and repeated builds must
// create the same bytes.
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

// TestOutputLayout checks that tar=false writes an OCI layout to a directory, which keeps
// images of other names, and that a later build can use it as a context.
func TestOutputLayout(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY a /\n")
	dir := filepath.Join(t.TempDir(), "layout")
	for _, tag := range []string{"", "app:1", "app:2", "app:1"} {
		out, err := ParseOutput("type=oci,tar=false,dest=" + dir)
		if err != nil {
			t.Fatal(err)
		}
		out.Name = tag
		o.Outputs = []Output{out}
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var idx ocispecs.Index
	if err := json.Unmarshal(data, &idx); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range idx.Manifests {
		names = append(names, m.Annotations["io.containerd.image.name"]+" "+m.Annotations[ocispecs.AnnotationRefName])
	}
	if got, want := strings.Join(names, ", "), " latest, docker.io/library/app:2 2, docker.io/library/app:1 1"; got != want {
		t.Errorf("index.json has %q, want %q", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 3 {
		t.Errorf("the layout has %v, %v", left, err)
	}
	again := options(t, "FROM layout\n")
	again.Contexts = map[string]string{"layout": "oci-layout://" + dir}
	if err := Run(t.Context(), again); err != nil {
		t.Error(err)
	}
}

// TestForceCompression checks that force-compression converts layers of the base, whose
// uncompressed content stays the same, and that other layers of a base stay as they are.
func TestForceCompression(t *testing.T) {
	layers := func(o Options, attrs string) (types []string) {
		t.Helper()
		dest := filepath.Join(t.TempDir(), "x.tar")
		out, err := ParseOutput("type=oci,dest=" + dest + attrs)
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
		var config ocispecs.Image
		if err := errors.Join(json.Unmarshal(blobs[d], &m), json.Unmarshal(blobs[m.Config.Digest], &config)); err != nil {
			t.Fatal(err)
		}
		for i, l := range m.Layers {
			r, err := compression.DecompressStream(bytes.NewReader(blobs[l.Digest]))
			if err != nil {
				t.Fatal(err)
			}
			if id, err := digest.FromReader(r); err != nil || id != config.RootFS.DiffIDs[i] {
				t.Errorf("%s: layer %d has the content %s, %v", attrs, i, id, err)
			}
			types = append(types, strings.TrimPrefix(l.MediaType, "application/vnd.oci.image.layer.v1."))
		}
		return types
	}
	base := options(t, "FROM scratch\nCOPY a /\n")
	dir := filepath.Join(t.TempDir(), "layout")
	base.Outputs = []Output{{Type: "oci", Dest: dir, Attrs: map[string]string{"tar": "false"}}}
	if err := Run(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	o := options(t, "FROM layout\nCOPY a /b\n")
	o.Contexts = map[string]string{"layout": "oci-layout://" + dir}
	for attrs, want := range map[string]string{
		",compression=zstd":                             "tar+gzip tar+zstd",
		",compression=zstd,force-compression=true":      "tar+zstd tar+zstd",
		",compression=uncompressed,force-compression=1": "tar tar",
		",force-compression=true":                       "tar+gzip tar+gzip",
		",compression=zstd,force-compression=false":     "tar+gzip tar+zstd",
	} {
		if got := strings.Join(layers(o, attrs), " "); got != want {
			t.Errorf("%s: layers %s, want %s", attrs, got, want)
		}
	}
}

// TestDockerMediaTypes checks that an image with oci-mediatypes=false has Docker's media types.
func TestDockerMediaTypes(t *testing.T) {
	o := options(t, "FROM scratch\nCOPY a /\n")
	dest := filepath.Join(t.TempDir(), "x.tar")
	out, err := ParseOutput("type=docker,oci-mediatypes=false,dest=" + dest)
	if err != nil {
		t.Fatal(err)
	}
	o.Outputs = []Output{out}
	res, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	d := res.Images[0]
	var m ocispecs.Manifest
	if err := json.Unmarshal(archiveBlobs(t, dest)[digest.Digest(d.Digest.String())], &m); err != nil {
		t.Fatal(err)
	}
	got := []string{string(d.MediaType), m.MediaType, m.Config.MediaType, m.Layers[0].MediaType}
	if want := "distribution.manifest.v2+json distribution.manifest.v2+json container.image.v1+json image.rootfs.diff.tar.gzip"; strings.ReplaceAll(strings.Join(got, " "), "application/vnd.docker.", "") != want {
		t.Errorf("got the media types %s", got)
	}
}
