package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/export"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

func newNames(t *testing.T) *Names {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Names{Dir: filepath.Join(t.TempDir(), "[images]"), Store: store}
}

// result returns a build result whose only file has the given content.
func (n *Names) result(t *testing.T, platform, content string, created time.Time) export.PlatformResult {
	t.Helper()
	b, err := n.Store.PutBytes([]byte(content))
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(nil)
	if err := e.Put("file", tree.NewFile(tree.Meta{Mode: 0o644}, b)); err != nil {
		t.Fatal(err)
	}
	p := platforms.MustParse(platform)
	config, err := json.Marshal(ocispecs.Image{Platform: p, Created: &created})
	if err != nil {
		t.Fatal(err)
	}
	return export.PlatformResult{Snapshot: snapshot.New(nil, nil).With(e.Tree()), Config: config, Platform: p, Epoch: &created}
}

// image creates an image from one result, or an index from several results.
func (n *Names) image(t *testing.T, results ...export.PlatformResult) *export.Root {
	t.Helper()
	x := &export.Exporter{Store: n.Store, Layers: &export.Layers{Store: n.Store, Dir: t.TempDir(), Now: hour(9)}}
	var entries []export.IndexEntry
	for _, r := range results {
		img, _, err := x.Image(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, export.IndexEntry{Image: img, Platform: r.Platform})
	}
	var content partial.Describable = entries[0].Image
	p := &results[0].Platform
	if len(entries) > 1 {
		idx, err := export.Index(entries, nil, export.MediaTypes{})
		if err != nil {
			t.Fatal(err)
		}
		content, p = idx, nil
	}
	root, err := export.NewRoot(content, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func hour(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }

// TestNames checks that a name refers to the image that was last stored under it, that an
// image can have several names, and that names can be removed.
func TestNames(t *testing.T) {
	n := newNames(t)
	if list, damaged, err := n.List(); len(list)+len(damaged) > 0 || err != nil {
		t.Errorf("at first: %v, %v, %v", list, damaged, err)
	}
	one := n.image(t, n.result(t, "linux/arm64/v8", "1", hour(1)))
	two := n.image(t, n.result(t, "linux/amd64", "22", hour(3)), n.result(t, "linux/arm64", "22", hour(2)))
	for _, put := range []struct {
		root  *export.Root
		names []string
	}{
		{one, []string{"docker.io/library/b:1", "docker.io/library/a:1"}},
		{two, []string{"docker.io/library/b:1"}},
	} {
		if err := n.Put(put.root, put.names); err != nil {
			t.Fatal(err)
		}
	}
	b, err := n.Get("docker.io/library/b:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Tag(b, "docker.io/library/c:1"); err != nil {
		t.Fatal(err)
	}
	list, damaged, err := n.List()
	if err != nil || len(damaged) > 0 {
		t.Fatalf("damaged %q, %v", damaged, err)
	}
	var got []string
	for _, img := range list {
		var names []string
		for _, p := range img.Platforms {
			names = append(names, platforms.FormatAll(p))
		}
		got = append(got, fmt.Sprint(img.Name, " ", img.Root.Digest, " ", names, " ", img.Created.Hour(), " ", len(img.Blobs)))
	}
	want := []string{
		fmt.Sprintf("docker.io/library/a:1 %s [linux/arm64] 1 3", one.Descriptor.Digest),
		// Both images have the same layer.
		fmt.Sprintf("docker.io/library/b:1 %s [linux/amd64 linux/arm64] 3 6", two.Descriptor.Digest),
		fmt.Sprintf("docker.io/library/c:1 %s [linux/amd64 linux/arm64] 3 6", two.Descriptor.Digest),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	before, err := os.Stat(n.file("docker.io/library/c:1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Put(two, []string{"docker.io/library/c:1"}); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(n.file("docker.io/library/c:1")); err != nil || !os.SameFile(before, after) {
		t.Errorf("an unchanged name was written again, %v", err)
	}
	if err := n.Remove("docker.io/library/b:1"); err != nil {
		t.Error(err)
	}
	if err := n.Remove("docker.io/library/b:1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name was removed twice: %v", err)
	}
	if _, err := n.Get("docker.io/library/b:1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed name: %v", err)
	}
	if c, err := n.Get("docker.io/library/c:1"); err != nil || c.Root.Digest != b.Root.Digest || c.Size() != b.Size() {
		t.Errorf("the other name of a removed one: %v, %v", c, err)
	}
}

// TestConcurrentNames checks that readers never see an incomplete image while several
// builds store images under the same name.
func TestConcurrentNames(t *testing.T) {
	n := newNames(t)
	const name = "docker.io/library/a:1"
	roots := []*export.Root{n.image(t, n.result(t, "linux/amd64", "1", hour(1))), n.image(t, n.result(t, "linux/amd64", "2", hour(2)))}
	var all sync.WaitGroup
	for _, r := range roots {
		all.Go(func() {
			for range 50 {
				if err := n.Put(r, []string{name}); err != nil {
					t.Error(err)
				}
				if img, err := n.Get(name); err != nil || n.Check(img) != nil {
					t.Errorf("image %v, %v", img, err)
				}
				if list, damaged, err := n.List(); len(list) != 1 || len(damaged) > 0 || err != nil {
					t.Errorf("list %v, %q, %v", list, damaged, err)
				}
			}
		})
	}
	all.Wait()
}

func TestFind(t *testing.T) {
	n := newNames(t)
	one := n.image(t, n.result(t, "linux/amd64", "1", hour(1)))
	two := n.image(t, n.result(t, "linux/amd64", "2", hour(2)))
	if err := errors.Join(n.Put(one, []string{"docker.io/library/app:latest", "example.com/app:1"}), n.Put(two, []string{"docker.io/library/app:2"})); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"app":                                     "docker.io/library/app:latest",
		"app:latest":                              "docker.io/library/app:latest",
		"library/app":                             "docker.io/library/app:latest",
		"docker.io/library/app":                   "docker.io/library/app:latest",
		"index.docker.io/library/app:2":           "docker.io/library/app:2",
		"example.com/app:1":                       "example.com/app:1",
		"app:1":                                   "",
		"example.com/app":                         "",
		"example.com/library/app:2":               "",
		"app@" + one.Descriptor.Digest.String():   "docker.io/library/app:latest",
		"app@" + two.Descriptor.Digest.String():   "docker.io/library/app:2",
		"app:9@" + two.Descriptor.Digest.String(): "docker.io/library/app:2", // as in Docker, the digest decides
		"other@" + two.Descriptor.Digest.String(): "",
		"app@" + digest.FromString("x").String():  "",
	} {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil {
			t.Fatal(err)
		}
		img, err := n.Find(named)
		switch {
		case want == "" && !errors.Is(err, fs.ErrNotExist):
			t.Errorf("%s: image %v, error %v", ref, img, err)
		case want != "" && (err != nil || img.Name != want):
			t.Errorf("%s: image %v, %v, want %s", ref, img, err, want)
		}
	}
}

// TestDamagedNames checks the error from reading an image name whose file is damaged: it
// advises the user to build the image again or to remove the name. The test also checks
// that List reports the file, and that the name can be removed. For a file without read
// permission, List returns an error instead, because its caller would remove a damaged
// file.
func TestDamagedNames(t *testing.T) {
	n := newNames(t)
	root := n.image(t, n.result(t, "linux/amd64", "1", hour(1)))
	names := []string{"docker.io/library/a:1", "docker.io/library/b:1"}
	if err := n.Put(root, names); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(n.Dir, ".slipway-1"), nil, 0o600); err != nil { // as a killed process leaves it
		t.Fatal(err)
	}
	if err := os.Truncate(n.file(names[0]), 100); err != nil {
		t.Fatal(err)
	}
	const want = "local image docker.io/library/a:1: the file is damaged (build it again, or slipway image rm docker.io/library/a:1)"
	if _, err := n.Get(names[0]); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if list, damaged, err := n.List(); len(list) != 1 || list[0].Name != names[1] || err != nil || cmp.Diff(damaged, []string{n.file(names[0])}) != "" {
		t.Errorf("list %v, damaged %q, %v", list, damaged, err)
	}
	if err := n.Remove(names[0]); err != nil {
		t.Error(err)
	}
	if err := os.Mkdir(n.file(names[0]), 0o700); err != nil {
		t.Fatal(err)
	}
	if list, damaged, err := n.List(); len(list) != 1 || len(damaged) != 1 || err != nil {
		t.Errorf("with a directory: list %v, damaged %q, %v", list, damaged, err)
	}
	if err := errors.Join(os.Remove(n.file(names[0])), os.Symlink(n.file(names[0]), n.file(names[0]))); err != nil {
		t.Fatal(err)
	}
	if _, damaged, err := n.List(); err == nil || len(damaged) > 0 {
		t.Errorf("a file that cannot be read: damaged %q, %v", damaged, err)
	}
	n.Dir = filepath.Join(n.file(names[1]), "images")
	if _, _, err := n.List(); err == nil {
		t.Error("no error for a directory that cannot be read")
	}
}

// TestLostBlobs checks that storing an image fails if the store lacks a layer. It also
// checks the error from reading a stored image with a missing blob: the error advises the
// user to build the image again or to remove its name.
func TestLostBlobs(t *testing.T) {
	n := newNames(t)
	const name = "docker.io/library/a:1"
	root := n.image(t, n.result(t, "linux/amd64", "1", hour(1)))
	if err := n.Put(root, []string{name}); err != nil {
		t.Fatal(err)
	}
	img, err := n.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Check(img); err != nil {
		t.Error(err)
	}
	layer, config, manifest := img.Blobs[0].Digest, img.Blobs[1].Digest, img.Blobs[2].Digest
	for _, d := range []digest.Digest{layer, config, manifest} {
		if err := n.Store.Remove(d); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"check": n.Check(img), "open": openError(n, img)} {
			if d == layer && what == "open" {
				continue // Open does not read layers
			}
			if err == nil || !strings.HasPrefix(err.Error(), "local image "+name+": blob "+d.String()) || !strings.HasSuffix(err.Error(), "(build it again, or slipway image rm "+name+")") {
				t.Errorf("%s: error %v", what, err)
			}
		}
		var lost *tree.BlobError
		err := n.Put(root, []string{name})
		if (d == layer) != errors.As(err, &lost) || lost != nil && lost.Digest != d {
			t.Errorf("store an image without blob %s: error %v", d, err)
		}
		if d == layer { // another build creates it again
			n.image(t, n.result(t, "linux/amd64", "1", hour(1)))
		}
	}
	if err := n.Check(img); err != nil {
		t.Errorf("stored again: %v", err)
	}
}

func openError(n *Names, img *Image) error {
	_, err := n.Open(img)
	return err
}

// TestOpen checks that Open returns the manifests and configs that Put stored, byte for
// byte.
func TestOpen(t *testing.T) {
	n := newNames(t)
	amd, arm := n.result(t, "linux/amd64", "1", hour(1)), n.result(t, "linux/arm64", "2", hour(2))
	for about, root := range map[string]*export.Root{"image": n.image(t, amd), "index": n.image(t, amd, arm)} {
		name := "docker.io/library/" + about + ":1"
		if err := n.Put(root, []string{name}); err != nil {
			t.Fatal(err)
		}
		img, err := n.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Open(img)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(root.Descriptor, got.Descriptor); diff != "" {
			t.Errorf("%s: descriptor (-want +got):\n%s", about, diff)
		}
		idx, ok := got.Content.(v1.ImageIndex)
		if !ok {
			continue
		}
		m, err := idx.IndexManifest()
		if err != nil || len(m.Manifests) != 2 {
			t.Fatalf("index %v, %v", m, err)
		}
		for i, d := range m.Manifests {
			one, err := idx.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			config, err := one.ConfigFile()
			if err != nil || config.Architecture != []string{"amd64", "arm64"}[i] {
				t.Errorf("image %d: config %v, %v", i, config, err)
			}
		}
	}
	if err := n.Put(&export.Root{}, []string{"docker.io/library/x:1"}); err == nil {
		t.Error("no error for a root without an image")
	}
}
