package source

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/containerd/platforms"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver"
	"slipway/solver/tree"
)

// Image is an image that was found, but whose layers were not fetched.
type Image struct {
	s      *Sources
	name   string
	image  v1.Image
	digest digest.Digest // of its manifest
	found  digest.Digest // of what the reference names: the index, if it is one
	config []byte
}

// Digest implements [solver.Source].
func (i *Image) Digest() digest.Digest { return i.digest }

// Found returns the digest of what the reference names, which for an image of
// several platforms is that of the index.
func (i *Image) Found() digest.Digest { return i.found }

// Config returns the image config as JSON.
func (i *Image) Config() []byte { return i.config }

func platformOf(p *pb.Platform) ocispecs.Platform {
	if p == nil {
		return platforms.Normalize(platforms.DefaultSpec())
	}
	return platforms.Normalize(ocispecs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures})
}

// Resolve finds an image of a registry.
func (s *Sources) Resolve(ctx context.Context, ref string, p *ocispecs.Platform) (*Image, error) {
	if p == nil {
		d := platforms.DefaultSpec()
		p = &d
	}
	return s.image(ctx, ref, platforms.Normalize(*p))
}

func (s *Sources) image(ctx context.Context, ref string, p ocispecs.Platform) (*Image, error) {
	parsed, err := s.reference(ref)
	if err != nil {
		return nil, err
	}
	desc, err := remote.Get(parsed, append([]remote.Option{remote.WithContext(ctx)}, s.Registry...)...)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	if !desc.MediaType.IsIndex() {
		img, err := desc.Image()
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", ref, err)
		}
		return s.found(ref, img, desc.Digest)
	}
	idx, err := desc.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	return s.fromIndex(ref, idx, p, desc.Digest)
}

// reference parses a full reference and turns to the mirror of its host.
func (s *Sources) reference(ref string) (name.Reference, error) {
	host, rest, _ := strings.Cut(ref, "/")
	if m, ok := s.Mirrors[host]; ok {
		ref = m + "/" + rest
	}
	return name.ParseReference(ref)
}

// fromIndex chooses the image of an index that suits the platform best.
func (s *Sources) fromIndex(ref string, idx v1.ImageIndex, p ocispecs.Platform, found v1.Hash) (*Image, error) {
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	match := platforms.Only(p)
	var best *v1.Descriptor
	for i, d := range m.Manifests {
		if d.Platform == nil || !match.Match(ociPlatform(d.Platform)) {
			continue
		}
		if best == nil || match.Less(ociPlatform(d.Platform), ociPlatform(best.Platform)) {
			best = &m.Manifests[i]
		}
	}
	if best == nil {
		return nil, fmt.Errorf("image %s: no match for platform %s", ref, platforms.FormatAll(p))
	}
	img, err := idx.Image(best.Digest)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	return s.found(ref, img, found)
}

func ociPlatform(p *v1.Platform) ocispecs.Platform {
	return ocispecs.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures}
}

func (s *Sources) found(ref string, img v1.Image, found v1.Hash) (*Image, error) {
	d, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", ref, err)
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, fmt.Errorf("image %s: config: %w", ref, err)
	}
	return &Image{s: s, name: ref, image: img, digest: digest.Digest(d.String()), found: digest.Digest(found.String()), config: config}, nil
}

// Fetch implements [solver.Source]. Layers that another image brought already
// are not fetched again.
func (i *Image) Fetch(ctx context.Context) (*solver.Snapshot, error) {
	var config ocispecs.Image
	if err := json.Unmarshal(i.config, &config); err != nil {
		return nil, fmt.Errorf("image %s: config: %w", i.name, err)
	}
	layers, err := i.image.Layers()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", i.name, err)
	}
	if len(layers) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("image %s: has %d layers, its config lists %d", i.name, len(layers), len(config.RootFS.DiffIDs))
	}
	s := solver.NewSnapshot(tree.Empty(), nil)
	chain := digest.Digest("")
	for n, l := range layers {
		chain = digest.FromString(string(chain) + " " + string(config.RootFS.DiffIDs[n]))
		cached, ok, err := i.s.Cache.Get(ctx, chain)
		if err != nil {
			return nil, err
		}
		if ok && len(cached) == 1 {
			s = cached[0]
			continue
		}
		if s, err = i.s.layer(ctx, s, l, config.RootFS.DiffIDs[n]); err != nil {
			return nil, fmt.Errorf("image %s: layer %d: %w", i.name, n, err)
		}
		if err := i.s.Cache.Put(ctx, chain, solver.Origin{Name: "layer of " + i.name, Source: "docker-image://" + i.name}, []*solver.Snapshot{s}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// layer puts a layer on top. Its blob is kept, as the image that is built will
// have it, too.
func (s *Sources) layer(ctx context.Context, base *solver.Snapshot, l v1.Layer, diffID digest.Digest) (*solver.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	desc, err := partial.Descriptor(l)
	if err != nil {
		return nil, err
	}
	b := tree.Blob{Digest: digest.Digest(desc.Digest.String()), Size: desc.Size}
	if !s.Store.Has(b) {
		if err := s.layerBlob(l, b); err != nil {
			return nil, err
		}
	}
	r, err := s.uncompressed(b)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	n, err := tree.ReadLayer(base.Tree(), io.TeeReader(r, hash), s.Store, tree.ReadOptions{})
	if err == nil {
		_, err = io.Copy(hash, r) // what stands behind the end of the archive
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if got := digest.NewDigest(digest.SHA256, hash); got != diffID {
		return nil, fmt.Errorf("is %s uncompressed, and should be %s", got, diffID)
	}
	return base.WithBlob(n, &solver.Blob{
		Descriptor: ocispecs.Descriptor{MediaType: string(desc.MediaType), Digest: b.Digest, Size: b.Size},
		DiffID:     diffID,
	}), nil
}

func (s *Sources) layerBlob(l v1.Layer, want tree.Blob) error {
	r, err := l.Compressed()
	if err != nil {
		return err
	}
	got, err := s.Store.Put(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the registry sent %s with %d bytes instead of %s with %d", got.Digest, got.Size, want.Digest, want.Size)
	}
	return nil
}

// Machine is the platform of this machine.
func Machine() ocispecs.Platform {
	p := platforms.DefaultSpec()
	if runtime.GOOS != "linux" {
		p.OS = "linux" // images for other systems are built by them
	}
	return platforms.Normalize(p)
}
