package llbsource

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/fakeregistry"
	"slipway/solver/registry"
)

// TestDigestOrigin checks that a reference with a digest is valid only for a repository that contains
// the image, even if the store contains it. The next build asks no registry about the image again.
func TestDigestOrigin(t *testing.T) {
	server := fakeregistry.Start(t, fakeregistry.None)
	to, err := registry.New(registry.Options{}).Repository(t.Context(), server.Host+"/app:1", false)
	if err != nil {
		t.Fatal(err)
	}
	p := pusher{t, to}
	image := ocispecs.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageManifest}
	image.Config = p.blob(ocispecs.MediaTypeImageConfig, `{"os":"linux","architecture":"amd64"}`)
	image.Layers = []ocispecs.Descriptor{p.blob(ocispecs.MediaTypeImageLayer, "layer")}
	name := "@" + p.manifest(ocispecs.MediaTypeImageManifest, image).Digest.String()

	s := newSources(t)
	resolve := func(ref string) error {
		next := &Sources{Store: s.Store, Registry: s.Registry, Files: OpenIndex(filepath.Join(s.Temp, "index"), time.Now)}
		_, err := next.Resolve(t.Context(), ref, &ocispecs.Platform{OS: "linux", Architecture: "amd64"}, false)
		if err == nil {
			err = next.Files.Save()
		}
		return err
	}
	if err := resolve(server.Host + "/app" + name); err != nil {
		t.Fatal(err)
	}
	if err := resolve(server.Host + "/other" + name); err == nil {
		t.Error("a repository without the image: no error, want one")
	}
	server.TakeRequests()
	if err := resolve(server.Host + "/app:2" + name); err != nil {
		t.Error(err)
	}
	if requests := server.TakeRequests(); len(requests) > 0 {
		t.Errorf("requests %q about an image that the repository is known to contain, want none", requests)
	}
}
