package builder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/suggest"
	"slipway/solver/export"
	"slipway/solver/images"
	"slipway/solver/registry"
	"slipway/solver/tree"
)

// ImageStore gives access to the images in a state directory, as slipway image does.
type ImageStore struct {
	s   *localBuilder
	now func() time.Time
}

// Image describes a stored image under one of its names.
type Image = images.Image

// OpenImages opens the images in the state directory dir.
func OpenImages(dir string, now func() time.Time) (*ImageStore, error) {
	s, err := openLocal(&Options{State: dir, Now: now}, registry.UserCredentials())
	return &ImageStore{s, now}, err
}

// List returns the stored images sorted by name. If the records of some images are damaged, it
// returns the other images and an error.
func (x *ImageStore) List() ([]Image, error) {
	list, damaged, err := x.s.Images.List()
	if len(damaged) > 0 {
		err = fmt.Errorf("image file %s: damaged (delete it, and build the image again)", strings.Join(damaged, ", "))
	}
	return list, err
}

// FamiliarName returns the short form of a full image name: app:1 for
// docker.io/library/app:1.
func FamiliarName(full string) string {
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return full
	}
	return reference.FamiliarString(named)
}

// fullName returns the full form of an image name, with a tag: docker.io/library/app:1 for
// app:1. The parameter name may be abbreviated, as users write it. fullName is the inverse of
// [FamiliarName].
func fullName(name string) (string, error) {
	names, err := imageNames(&Options{Tags: []string{name}}, Output{})
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// find returns the stored image with the given name, which may be abbreviated as users write
// it. For an unknown name, the error suggests similar names.
func (x *ImageStore) find(name string) (*Image, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, fmt.Errorf("image name %q: %w", name, err)
	}
	img, err := x.s.Images.Find(named)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, x.unknownImage(name)
	}
	return img, err
}

// open looks up the stored image called name, verifies its blobs, and reads its manifests
// and configs for an export. A missing or damaged blob is an error.
func (x *ImageStore) open(name string) (*Image, *export.Root, error) {
	img, err := x.find(name)
	if err != nil {
		return nil, nil, err
	}
	if err := x.s.Images.Check(img); err != nil {
		return nil, nil, err
	}
	root, err := x.s.Images.Open(img)
	return img, root, err
}

// unknownImage returns the error for a name under which no image is stored. If stored
// images have similar names, the error suggests them.
func (x *ImageStore) unknownImage(name string) error {
	list, _, err := x.s.Images.List()
	if err != nil {
		return err
	}
	var names []string
	for _, img := range list {
		names = append(names, strings.TrimSuffix(FamiliarName(img.Name), ":latest"))
	}
	hint := cmp.Or(suggest.Hint(name, names, true), " (slipway image ls lists images)")
	return fmt.Errorf("image %q: no such image%s", name, hint)
}

// Tag makes newName refer to the stored image called name.
func (x *ImageStore) Tag(ctx context.Context, name, newName string) error {
	release, err := x.s.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	img, err := x.find(name)
	if err != nil {
		return err
	}
	o := Options{Tags: []string{newName}}
	if err := o.checkOutput(Output{Type: "image"}); err != nil {
		return err
	}
	full, err := fullName(newName)
	if err != nil {
		return err
	}
	return x.s.Images.Tag(img, full)
}

// Remove removes image names, even if the records of the names are damaged. If one of the names
// is unknown, Remove removes none of them. It also removes blobs that are no longer referenced.
// If a build is running, Remove leaves these blobs to a later prune.
func (x *ImageStore) Remove(ctx context.Context, names []string) error {
	release, alone, err := x.s.TryExclusive()
	if err != nil {
		return err
	}
	defer release()
	var all []string
	var gone []tree.Blob
	for _, name := range names {
		full, err := fullName(name)
		if err != nil {
			return err
		}
		img, err := x.s.Images.Get(full)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return x.unknownImage(name)
		case err == nil:
			gone = append(gone, img.Blobs...)
		}
		all = append(all, full)
	}
	for _, full := range all {
		if err := x.s.Images.Remove(full); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if !alone {
		return nil
	}
	return x.s.Free(ctx, gone)
}

// Save writes stored images to one archive file. The format is "docker", which docker
// load reads, or "oci", an OCI layout. If file is "-", Save writes to standard output.
// Otherwise, it writes the file atomically.
func (x *ImageStore) Save(ctx context.Context, names []string, file, format string) error {
	if format != "oci" && format != "docker" {
		return fmt.Errorf("format %q: unknown (want docker or oci)", format)
	}
	if err := (Output{Type: format, Dest: file}).checkDest(); err != nil {
		return err
	}
	release, err := x.s.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	var roots []*export.Root
	for _, name := range names {
		img, root, err := x.open(name)
		if err != nil {
			return err
		}
		if format == "docker" && img.Root.MediaType == ocispecs.MediaTypeImageIndex {
			return fmt.Errorf("image %q: has several platforms, and the archive of docker load holds one (use --format oci)", name)
		}
		roots = append(roots, root.WithNames([]string{img.Name}))
	}
	return x.s.toFile(ctx, file, func(w io.Writer) error {
		if format == "oci" {
			return export.WriteOCI(w, roots...)
		}
		return export.WriteDocker(w, roots...)
	})
}

// PushOptions configures [ImageStore.Push].
type PushOptions struct {
	Name     string // name of the stored image
	As       string // name in the registry; "" means Name
	Insecure bool   // allows HTTP and unverified certificates

	Status func(*client.SolveStatus) // receives the progress, as in [Options]
}

// Push pushes a stored image to a registry, and returns the digest of its manifest or
// index.
func (x *ImageStore) Push(ctx context.Context, opt PushOptions) (digest.Digest, error) {
	release, err := x.s.Hold(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	img, root, err := x.open(opt.Name)
	if err != nil {
		return "", err
	}
	o := Options{Tags: []string{cmp.Or(opt.As, img.Name)}, Status: opt.Status, Now: x.now}
	if err := o.checkOutput(Output{Type: "image", Push: true}); err != nil {
		return "", err
	}
	full, err := fullName(o.Tags[0])
	if err != nil {
		return "", err
	}
	return img.Root.Digest, newProgress(&o, nil).step(ctx, "push", "pushing "+full, func(ctx context.Context) error {
		return x.s.push(ctx, root, []string{full}, opt.Insecure, false)
	})
}
