package export

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/testtree"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// testExporter returns an exporter with an empty store.
func testExporter(t *testing.T) *Exporter {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Exporter{Store: store, Layers: &Layers{Store: store, Dir: t.TempDir()}}
}

// root creates an image with two layers, each of which contains one file. The first layer is
// the same in all images. The parameter content is both the name and the content of the file
// in the second layer.
func (x *Exporter) root(t *testing.T, content string) *Root {
	t.Helper()
	s := snapshot.New(nil, nil)
	for _, name := range []string{"same", content} {
		b, err := x.Store.PutBytes([]byte(name))
		if err != nil {
			t.Fatal(err)
		}
		e := tree.Edit(testtree.Of(s))
		if err := e.Put(name, tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
			t.Fatal(err)
		}
		s = s.With(e.Tree())
	}
	p := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	img, _, err := x.Image(t.Context(), PlatformResult{Snapshot: s, Platform: p})
	if err != nil {
		t.Fatal(err)
	}
	root, err := NewRoot(img, &p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// entries returns the contents of the files in an archive, by name. If a file appears twice,
// the test fails.
func entries(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[h.Name] != nil {
			t.Errorf("%s is in the archive twice", h.Name)
		}
		if found[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if sum, ok := strings.CutPrefix(h.Name, "blobs/sha256/"); ok && sum != "" && digest.FromBytes(found[h.Name]).Encoded() != sum {
			t.Errorf("the content of %s does not match its digest", h.Name)
		}
	}
}

// TestArchiveOfSeveral checks that an archive of several images lists each image once per
// name, and contains shared blobs once.
func TestArchiveOfSeveral(t *testing.T) {
	x := testExporter(t)
	one := x.root(t, "1").WithNames([]string{"docker.io/library/a:1", "docker.io/library/b:2"})
	two := x.root(t, "2").WithNames([]string{"docker.io/library/c:3"})
	for about, write := range map[string]func(io.Writer, ...*Root) error{"oci": WriteOCI, "docker": WriteDocker} {
		var archive bytes.Buffer
		if err := write(&archive, one, two); err != nil {
			t.Fatal(err)
		}
		files := entries(t, archive.Bytes())
		var idx v1.IndexManifest
		if err := json.Unmarshal(files["index.json"], &idx); err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, m := range idx.Manifests {
			listed = append(listed, m.Annotations["io.containerd.image.name"]+" "+m.Annotations["org.opencontainers.image.ref.name"]+" "+m.Digest.String())
		}
		first, second := one.Descriptor.Digest.String(), two.Descriptor.Digest.String()
		want := []string{"docker.io/library/a:1 1 " + first, "docker.io/library/b:2 2 " + first, "docker.io/library/c:3 3 " + second}
		if diff := cmp.Diff(want, listed); diff != "" {
			t.Errorf("%s: index.json (-want +got):\n%s", about, diff)
		}
		// Three layers, two configs, two manifests; two directories, index.json and
		// oci-layout.
		if n := len(files); about == "oci" && n != 7+4 {
			t.Errorf("%s: %d files", about, n)
		}
		if about == "docker" {
			checkManifestJSON(t, files)
		}
	}
}

// checkManifestJSON checks that an archive contains the files that its manifest.json
// lists.
func checkManifestJSON(t *testing.T, files map[string][]byte) {
	t.Helper()
	var list []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &list); err != nil {
		t.Fatal(err)
	}
	var tags []string
	for _, e := range list {
		tags = append(tags, strings.Join(e.RepoTags, " "))
		if len(e.Layers) != 2 {
			t.Errorf("layers %q, want 2", e.Layers)
		}
		for _, name := range append(e.Layers, e.Config) {
			if files[name] == nil {
				t.Errorf("%s is missing", name)
			}
		}
	}
	if diff := cmp.Diff([]string{"a:1 b:2", "c:3"}, tags); diff != "" {
		t.Errorf("manifest.json (-want +got):\n%s", diff)
	}
}

// TestWithNames checks that WithNames does not change its receiver.
func TestWithNames(t *testing.T) {
	x := testExporter(t)
	root := x.root(t, "1")
	root.WithNames([]string{"docker.io/library/a:1"})
	var archive bytes.Buffer
	if err := WriteOCI(&archive, root); err != nil {
		t.Fatal(err)
	}
	if data := entries(t, archive.Bytes())["index.json"]; bytes.Contains(data, []byte("library/a")) || !bytes.Contains(data, []byte(root.Descriptor.Digest.String())) {
		t.Errorf("index.json %s", data)
	}
}

// TestDockerIndex checks that WriteDocker rejects an index before it writes anything.
func TestDockerIndex(t *testing.T) {
	idx, err := Index(nil, nil, MediaTypes{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := NewRoot(idx, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := WriteDocker(&archive, root); err == nil || archive.Len() > 0 {
		t.Errorf("error %v after %d bytes", err, archive.Len())
	}
}

// TestLoad checks that Load returns manifests and configs from the store byte for byte, and
// returns an error if one of them is damaged.
func TestLoad(t *testing.T) {
	x := testExporter(t)
	root := x.root(t, "1")
	img := root.Content.(v1.Image)
	manifest, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{manifest, config} {
		if _, err := x.Store.PutBytes(data); err != nil {
			t.Fatal(err)
		}
	}
	d := ocispecs.Descriptor{MediaType: string(root.Descriptor.MediaType), Digest: digest.FromBytes(manifest), Size: int64(len(manifest))}
	content, err := Load(x.Store, d)
	if err != nil {
		t.Fatal(err)
	}
	var want, got bytes.Buffer
	again, err := NewRoot(content, &ocispecs.Platform{OS: "linux", Architecture: "amd64"}, nil)
	if err == nil {
		err = errors.Join(WriteOCI(&want, root), WriteOCI(&got, again))
	}
	if err != nil || !bytes.Equal(want.Bytes(), got.Bytes()) {
		t.Errorf("the archive of the loaded image differs from the original, %v", err)
	}
	for _, bad := range []string{"[", `{"config":{"digest":"x"}}`, `{"manifests":[{"digest":"x"}]}`} {
		b, err := x.Store.PutBytes([]byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		kind := ocispecs.MediaTypeImageManifest
		if strings.Contains(bad, "manifests") {
			kind = ocispecs.MediaTypeImageIndex
		}
		if _, err := Load(x.Store, ocispecs.Descriptor{MediaType: kind, Digest: b.Digest, Size: b.Size}); err == nil {
			t.Errorf("load %s %s: no error", kind, bad)
		}
	}
}
