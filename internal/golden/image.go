package golden

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// ErrNoImage is the error that [Images.Resolve] returns if an image does not exist, or does not
// exist for the requested platform.
var ErrNoImage = errors.New("not found")

// Image contains the metadata of an image for one platform.
type Image struct {
	Digest digest.Digest // digest of the image index, which is the same for all platforms
	Config []byte        // image config in JSON
}

// Images is a set of images that [Images.Resolve] can find, like a registry. It is immutable.
type Images struct {
	entries map[string]imageEntry // images by familiar name, with or without a tag: alpine, alpine:3
}

// imageEntry is a function that returns the image config for a platform, or nil if the image
// does not exist for this platform.
type imageEntry func(p ocispecs.Platform) []byte

// Resolve returns the image for a reference in any form, such as "alpine" or
// "docker.io/library/alpine:3". If p is nil, the platform is linux/amd64. The [DefaultImages]
// exist with any digest and with any tag except "missing". If the image does not exist, the
// error is ErrNoImage.
func (im *Images) Resolve(ref string, p *ocispecs.Platform) (Image, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return Image{}, err
	}
	named = reference.TagNameOnly(named)
	notFound := fmt.Errorf("%s: %w", named.String(), ErrNoImage)
	entry, ok := im.lookup(named)
	if !ok {
		return Image{}, notFound
	}
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if p != nil {
		platform = platforms.Normalize(*p)
	}
	config := entry(platform)
	if config == nil {
		return Image{}, fmt.Errorf("no match for platform in manifest %s: %w", digest.FromString(named.String()), ErrNoImage)
	}
	d := digest.FromString(named.String())
	if digested, ok := named.(reference.Digested); ok {
		d = digested.Digest()
	}
	return Image{Digest: d, Config: config}, nil
}

func (im *Images) lookup(named reference.Named) (imageEntry, bool) {
	name := reference.FamiliarName(named)
	tag := ""
	if tagged, ok := named.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		if entry, ok := im.entries[name+"@"+digested.Digest().String()]; ok {
			return entry, entry != nil
		}
	}
	if entry, ok := im.entries[name+":"+tag]; ok {
		return entry, entry != nil
	}
	entry, ok := im.entries[name]
	return entry, ok && entry != nil && tag != "missing"
}

// Images returns the images that a case can use: [DefaultImages] and the images in the archive
// of the case. An image in the archive replaces a default image of the same name.
func (c *Case) Images() (*Images, error) {
	entries := maps.Clone(DefaultImages().entries)
	perPlatform := map[string]map[string][]byte{}
	for _, f := range c.Files {
		ref, ok := strings.CutPrefix(f.Name, "images/")
		if !ok {
			continue
		}
		ref, ok = strings.CutSuffix(ref, ".json")
		if !ok {
			return nil, fmt.Errorf("%s: %s does not end in .json", c.Name, f.Name)
		}
		ref, platform, _ := strings.Cut(ref, "#")
		key, err := entryKey(ref)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.Name, f.Name, err)
		}
		if perPlatform[key] == nil {
			perPlatform[key] = map[string][]byte{}
		}
		perPlatform[key][platform] = f.Data
	}
	for _, key := range slices.Sorted(maps.Keys(perPlatform)) {
		entries[key] = listedEntry(perPlatform[key])
	}
	return &Images{entries: entries}, nil
}

// entryKey returns the key of an image in Images.entries. The parameter ref is a reference to
// the image. For an image on Docker Hub, the key contains the short name, such as "alpine". The
// key contains a tag or digest only if the reference does.
func entryKey(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", err
	}
	return reference.FamiliarString(named), nil
}

func listedEntry(configs map[string][]byte) imageEntry {
	if any, ok := configs[""]; ok {
		if len(any) == 0 {
			return nil
		}
		return func(ocispecs.Platform) []byte { return any }
	}
	return func(p ocispecs.Platform) []byte { return configs[platforms.Format(p)] }
}
