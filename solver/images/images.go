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

	"slipway/internal/sealed"
	"slipway/solver/export"
	"slipway/solver/tree"
)

// Image is an image or an index with one of its names.
type Image struct {
	Name      string              // full name with a tag: docker.io/library/app:1
	Root      ocispecs.Descriptor // descriptor of the manifest or the index
	Platforms []ocispecs.Platform
	Created   time.Time   // the latest creation time in the image configs
	Blobs     []tree.Blob // manifests, configs and layers
}

// Size returns the total size of the blobs in bytes.
func (i *Image) Size() (n int64) {
	for _, b := range i.Blobs {
		n += b.Size
	}
	return n
}

// Names is a directory of named images. Safe for concurrent use, even by several
// processes.
type Names struct {
	Dir   string
	Store *tree.Store
}

// suffix is the suffix of the files of names.
const suffix = ".json"

// file returns the path of the file of a name.
func (n *Names) file(name string) string {
	return filepath.Join(n.Dir, digest.FromString(name).Encoded()+suffix)
}

// Put stores the manifests and configs of an image whose layers are in the store, and
// gives it full names with tags. Each name is removed from the image that had it before.
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

// Tag gives a stored image another full name.
func (n *Names) Tag(img *Image, name string) error {
	named := *img
	named.Name = name
	data, err := sealed.Marshal(named)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(n.file(name)); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return export.WriteFile(n.file(name), func(w io.Writer) error { _, err := w.Write(data); return err })
}

// Get returns the image with a full name. If the name is unknown, the error is
// [fs.ErrNotExist].
func (n *Names) Get(name string) (*Image, error) {
	img, err := read(n.file(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, damaged(name, err)
	}
	return img, err
}

// Find returns the image that a reference in a Dockerfile refers to. This is the image
// with this name and tag. If the reference has a digest, it is the image of this
// repository with the digest, whatever the tag, as in Docker. If it does not exist, the
// error is [fs.ErrNotExist].
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

// damaged returns the error for an image that cannot be read, with a suggestion.
func damaged(name string, err error) error {
	return fmt.Errorf("local image %s: %w (build it again, or slipway image rm %[1]s)", name, err)
}

func read(file string) (*Image, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	img := &Image{}
	return img, sealed.Unmarshal(data, img)
}

// List returns all images, sorted by name, and the paths of damaged files. The name of a
// damaged file is unknown.
func (n *Names) List() (list []Image, damaged []string, err error) {
	files, err := os.ReadDir(n.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	for _, f := range files {
		if filepath.Ext(f.Name()) != suffix {
			continue // incomplete
		}
		file := filepath.Join(n.Dir, f.Name())
		img, err := read(file)
		var unreadable *fs.PathError
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed concurrently
		case errors.As(err, &unreadable) && !f.IsDir():
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

// Remove removes a name, even a damaged one. The blobs of its image remain in the store
// until the store is swept. If the name is unknown, the error is [fs.ErrNotExist].
func (n *Names) Remove(name string) error { return os.Remove(n.file(name)) }
