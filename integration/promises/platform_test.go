package promises

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"slipway/builder"
	"slipway/integration/imagetree"
	"slipway/internal/slowtest"
)

// TestPlatforms checks multi-platform builds without an emulator. Stages that only copy are
// built for each platform, from the base image of that platform. A stage for the builder's own
// platform is built only once.
func TestPlatforms(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	h := newHub(t)
	var layers []string
	idx := v1.ImageIndex(empty.Index)
	for _, arch := range []string{"amd64", "arm64", "s390x"} {
		img, err := random.Image(100, 1)
		if err != nil {
			t.Fatal(err)
		}
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: mustConfig(t, img).RootFS})
		if err != nil {
			t.Fatal(err)
		}
		layers = append(layers, mustConfig(t, img).RootFS.DiffIDs[0].String())
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	ref, err := name.ParseReference(h.host + "/base:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref, idx); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, map[string]string{"a": "x"})
	m.o.Platforms = []string{"linux/s390x", "linux/arm64", "linux/amd64"}
	archive := filepath.Join(t.TempDir(), "image.tar")
	m.o.Outputs = []builder.Output{{Type: "oci", Dest: archive}}
	err = m.build("FROM --platform=$BUILDPLATFORM scratch AS tools\nCOPY base /\nRUN cat /bin/sh > /made\n" +
		"FROM " + h.host + "/base:1\nARG TARGETARCH\nCOPY a /$TARGETARCH\nCOPY --from=tools /made /made\n")
	if err != nil {
		t.Fatal(err)
	}
	runs := 0
	for step := range m.steps {
		if strings.Contains(step, "RUN cat") {
			runs++
		}
	}
	if runs != 1 {
		t.Errorf("the stage for the build platform ran %d times, want once", runs)
	}
	index, err := imagetree.Open(archive, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Manifests) != 1 {
		t.Fatalf("the archive has %d indexes", len(list.Manifests))
	}
	images, err := index.ImageIndex(list.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if list, err = images.IndexManifest(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list.Manifests {
		img, err := images.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		c := mustConfig(t, img)
		got = append(got, d.Platform.OS+"/"+d.Platform.Architecture)
		if i := slices.Index([]string{"amd64", "arm64", "s390x"}, c.Architecture); i < 0 || c.RootFS.DiffIDs[0].String() != layers[i] || c.Architecture != d.Platform.Architecture {
			t.Errorf("the image for %s is of %s and begins with %s", d.Platform, c.Architecture, c.RootFS.DiffIDs[0])
		}
	}
	if !slices.Equal(got, m.o.Platforms) {
		t.Errorf("the index has images for %q, want %q", got, m.o.Platforms)
	}
}

func mustConfig(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
