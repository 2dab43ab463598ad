package images

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/regularfile"
	"slipway/internal/sealed"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// Image describes a stored image or index under one of its names.
type Image struct {
	Name      string              // full name with a tag: docker.io/library/app:1
	Root      ocispecs.Descriptor // descriptor of the manifest or the index
	Platforms []ocispecs.Platform
	Created   time.Time   // the latest creation time in the configs of all platforms
	Blobs     []tree.Blob // manifests, configs and layers of all platforms
}

// Size returns the total size of the image's blobs in bytes. For a layer, this is the
// compressed size.
func (i *Image) Size() (n int64) {
	for _, b := range i.Blobs {
		n += b.Size
	}
	return n
}

// Names maps image names to the images in a store. Safe for concurrent use, also by
// several processes.
type Names struct {
	Dir   string      // contains a file for each name
	Store *tree.Store // contains the blobs
}

// suffix is the extension of the files in the directory of image names.
const suffix = ".json"

// file returns the path of the file for a full image name.
func (n *Names) file(name string) string {
	return filepath.Join(n.Dir, digest.FromString(name).Encoded()+suffix)
}

// Put stores an image under full names with tags. The layers must be in the store already.
// If another image has one of the names, the name moves to the new image.
func (n *Names) Put(root *export.Root, names []string) error {
	img, err := n.save(root)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := n.Tag(img, name); err != nil {
			return err
		}
	}
	return nil
}

// Tag adds a full name with a tag to a stored image. If another image has the name, the
// name moves to img.
func (n *Names) Tag(img *Image, name string) error {
	named := *img
	named.Name = name
	data, err := sealed.Marshal(named)
	if err != nil {
		return err
	}
	old, err := regularfile.Read(n.file(name))
	switch {
	case err == nil && bytes.Equal(old, data):
		return nil
	case err != nil: // it may be a directory, which cannot be replaced
		if err := os.RemoveAll(n.file(name)); err != nil {
			return err
		}
	}
	return export.WriteFile(n.file(name), func(w io.Writer) error { _, err := w.Write(data); return err })
}

// Get returns the stored image with a full name. If the name is unknown, the error is
// [fs.ErrNotExist].
func (n *Names) Get(name string) (*Image, error) {
	img, err := read(n.file(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, damagedError(name, err)
	}
	return img, err
}

// Find returns the stored image for a reference in a Dockerfile. The default tag is
// latest. If the reference has a digest, Find compares the repository and the digest and
// ignores the tag, as Docker does. If no image matches, the error is [fs.ErrNotExist].
func (n *Names) Find(ref reference.Named) (*Image, error) {
	want, ok := ref.(reference.Digested)
	if !ok {
		return n.Get(reference.TagNameOnly(ref).String())
	}
	list, _, err := n.List()
	for _, img := range list {
		named, err := reference.ParseNormalizedNamed(img.Name)
		if err == nil && named.Name() == ref.Name() && img.Root.Digest == want.Digest() {
			return &img, nil
		}
	}
	return nil, cmp.Or(err, fs.ErrNotExist)
}

// damagedError adds the name of a stored image and advice to err, the error from reading
// the image.
func damagedError(name string, err error) error {
	return fmt.Errorf("local image %s: %w (build it again, or slipway image rm %[1]s)", name, err)
}

func read(file string) (*Image, error) {
	data, err := regularfile.Read(file)
	if err != nil {
		return nil, err
	}
	img := &Image{}
	return img, sealed.Unmarshal(data, img)
}

// List returns all stored images, sorted by name. The result damaged contains the paths
// of damaged files, from which the image name cannot be read.
func (n *Names) List() (list []Image, damaged []string, err error) {
	files, err := os.ReadDir(n.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != suffix {
			continue // an incomplete file
		}
		file := filepath.Join(n.Dir, f.Name())
		img, err := read(file)
		var unreadable *fs.PathError
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed concurrently
		case errors.As(err, &unreadable) && (f.Type().IsRegular() || f.Type() == fs.ModeSymlink): // possibly only for now
			return nil, nil, err
		case err != nil:
			damaged = append(damaged, file)
		default:
			list = append(list, *img)
		}
	}
	slices.SortFunc(list, func(a, b Image) int { return cmp.Compare(a.Name, b.Name) })
	return list, damaged, nil
}

// Remove removes a full name, even if the file of the name is damaged. The blobs of the
// image remain in the store until a prune. If the name is unknown, the error is
// [fs.ErrNotExist].
func (n *Names) Remove(name string) error { return os.Remove(n.file(name)) }
