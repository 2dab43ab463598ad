package llbsource

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/images"
	"slipway/solver/tree"
)

// localImages are the stored images of a test, by name.
type localImages map[string]*images.Image

func (l localImages) find(ref reference.Named) (*images.Image, error) {
	if img, ok := l[reference.FamiliarString(ref)]; ok {
		return img, nil
	}
	return nil, fmt.Errorf("%s: %w", ref, fs.ErrNotExist)
}

// putBlob stores a blob and returns its descriptor as JSON. The parameter kind is the
// blob's media type.
func putBlob(t *testing.T, s *Sources, kind, data string) string {
	t.Helper()
	if _, err := s.Store.PutBytes([]byte(data)); err != nil {
		t.Fatal(err)
	}
	return descriptor(kind, data)
}

// putImage stores an image with a single file. The parameter file is both the name and
// the content of this file. putImage returns the content of the manifest and of the
// compressed layer.
func putImage(t *testing.T, s *Sources, file string) (manifest, layer string) {
	t.Helper()
	plain := makeTar(t, tarEntry{name: file, data: file})
	layer = gzipped(t, plain)
	manifest = fmt.Sprintf(`{"schemaVersion":2,"config":%s,"layers":[%s]}`,
		putBlob(t, s, "config.v1+json", imageConfig(sum(plain))), putBlob(t, s, "layer.v1.tar+gzip", layer))
	putBlob(t, s, "manifest.v1+json", manifest)
	return manifest, layer
}

// stored returns an image as Sources.Local returns it. The parameter root is the content of
// the image's manifest or index, and list contains the platforms of the image.
func stored(root string, list ...string) *images.Image {
	img := &images.Image{Name: "docker.io/library/app:1", Root: ocispecs.Descriptor{Digest: digest.FromString(root), Size: int64(len(root))}}
	for _, p := range list {
		img.Platforms = append(img.Platforms, platforms.MustParse(p))
	}
	return img
}

// TestLocalImages checks that a build uses a stored image for the right platform without
// contacting a registry, unless the source operation forces a pull.
func TestLocalImages(t *testing.T) {
	s := hostileSources(t)
	s.Registry = nil
	local := localImages{}
	s.Local = local.find
	amd, _ := putImage(t, s, "amd")
	arm, _ := putImage(t, s, "arm")
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[%s,%s]}`,
		strings.Replace(descriptor("manifest.v1+json", amd), "{", `{"platform":{"os":"linux","architecture":"amd64"},`, 1),
		strings.Replace(descriptor("manifest.v1+json", arm), "{", `{"platform":{"os":"linux","architecture":"arm","variant":"v7"},`, 1))
	putBlob(t, s, "index.v1+json", index)
	local["app:1"] = stored(amd, "linux/amd64")
	local["old"] = stored(amd, "linux/386")
	local["multi"] = stored(index, "linux/amd64", "linux/arm/v7")
	local["broken"] = stored("lost", "linux/amd64")
	const asked = "registries are not allowed"
	for _, tc := range []struct {
		ref, platform string
		pull          bool
		want          string // the image's file, or the error
	}{
		{"app:1", "linux/amd64", false, "amd"},
		{"app:1", "linux/amd64", true, "image app:1: " + asked},
		{"app:2", "linux/amd64", false, "image app:2: " + asked},
		{"Bad", "linux/amd64", false, "image Bad: " + asked},
		{"app:1", "linux/arm64", false, "image app:1: " + asked + " (the local image of that name is for linux/amd64 only)"},
		{"old", "linux/amd64", false, "image old: " + asked + " (the local image of that name is for linux/386 only)"},
		{"multi", "linux/arm/v7", false, "arm"},
		{"multi", "linux/amd64", false, "amd"},
		{"multi", "linux/s390x", false, "image multi: " + asked + " (the local image of that name is for linux/amd64, linux/arm/v7 only)"},
		{"broken", "linux/amd64", false, "image broken: local image docker.io/library/app:1: blob " + sum("lost") + " is lost (build it again, or slipway image rm docker.io/library/app:1)"},
	} {
		got, err := s.files(t, tc.ref, tc.platform, tc.pull)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s for %s, pull %t: %s, want %s", tc.ref, tc.platform, tc.pull, got, tc.want)
		}
	}
}

// files opens the image source for the reference ref, and returns the names of the files in
// the root directory of the image.
func (s *Sources) files(t *testing.T, ref, platform string, pull bool) (string, error) {
	t.Helper()
	p := platforms.MustParse(platform)
	op := &pb.SourceOp{Identifier: "docker-image://" + ref}
	if pull {
		op.Attrs = map[string]string{pb.AttrImageResolveMode: pb.AttrImageResolveModeForcePull}
	}
	found, err := s.Open(t.Context(), op, &pb.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant})
	if err != nil {
		return "", err
	}
	return fetchedFiles(t, found)
}

func fetchedFiles(t *testing.T, from solver.Source) (string, error) {
	t.Helper()
	snapshot, err := from.Fetch(t.Context())
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range testtree.Must(testtree.Of(snapshot).Entries()) {
		names = append(names, e.Name)
	}
	return strings.Join(names, " "), nil
}

// TestLocalImageStays checks that a build keeps using an image by digest after another
// build has given the image's name to a new image.
func TestLocalImageStays(t *testing.T) {
	s := hostileSources(t)
	s.Registry = nil
	local := localImages{}
	s.Local = local.find
	one, layer := putImage(t, s, "one")
	two, _ := putImage(t, s, "two")
	local["app:1"] = stored(one, "linux/amd64")
	p := platforms.MustParse("linux/amd64")
	img, err := s.Resolve(t.Context(), "docker.io/library/app:1", &p, false)
	if err != nil || img.ResolvedDigest() != digest.FromString(one) {
		t.Fatalf("image %v, %v", img, err)
	}
	local["app:1"] = stored(two, "linux/amd64")
	if got, err := s.files(t, "docker.io/library/app:1@"+sum(one), "linux/amd64", false); got != "one" || err != nil {
		t.Errorf("the image that the build found first has %s, %v", got, err)
	}
	if _, err := s.files(t, "docker.io/library/app:1@"+sum(two), "linux/amd64", false); err == nil {
		t.Error("the build finds a digest that it has not resolved before")
	}
	// A missing blob is not fetched from a registry.
	if err := s.Store.Remove(digest.FromString(layer)); err != nil {
		t.Fatal(err)
	}
	next := &Sources{Store: s.Store, Cache: solver.NewMemoryCache(), Local: func(reference.Named) (*images.Image, error) { return stored(one, "linux/amd64"), nil }}
	var lost *tree.BlobError
	const hint = "is lost (build it again, or slipway image rm docker.io/library/app:1)"
	if _, err = next.files(t, "app:1", "linux/amd64", false); err == nil || errors.As(err, &lost) || !strings.Contains(err.Error(), "blob "+sum(layer)+" "+hint) {
		t.Errorf("a lost layer: %v", err)
	}
}

// TestLocalImageFails checks that opening an image source fails if the lookup among the
// stored images fails, instead of resolving the image with its registry.
func TestLocalImageFails(t *testing.T) {
	s := hostileSources(t)
	damaged := errors.New("damaged")
	s.Local = func(reference.Named) (*images.Image, error) { return nil, damaged }
	if _, err := s.files(t, "app:1", "linux/amd64", false); !errors.Is(err, damaged) {
		t.Errorf("error %v", err)
	}
}
