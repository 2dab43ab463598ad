package remotecache

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/regularfile"
	"slipway/solver/export"
)

// localStorage is the storage of a cache in an OCI layout, a directory that can contain
// several caches. The cache is identified by the digest of its manifest or, if the digest
// is "", by its tag.
type localStorage struct {
	dir, ref string // directory and tag
	digest   digest.Digest
}

// blob returns the path of the blob with digest d in the layout.
func (l *localStorage) blob(d digest.Digest) string {
	return filepath.Join(l.dir, "blobs", d.Algorithm().String(), d.Encoded())
}

// manifest implements [storage].
func (l *localStorage) manifest(ctx context.Context, id digest.Digest) ([]byte, error) {
	d := ocispecs.Descriptor{Digest: cmp.Or(id, l.digest)}
	if d.Digest == "" {
		idx, err := l.index()
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(idx.Manifests, l.hasTag)
		if i < 0 {
			return nil, fmt.Errorf("%s has no cache with the tag %q", l.dir, l.ref)
		}
		d = idx.Manifests[i]
	}
	return readBlob(ctx, l, d)
}

// hasTag reports whether a manifest has the tag of the cache.
func (l *localStorage) hasTag(d ocispecs.Descriptor) bool {
	return d.Annotations[ocispecs.AnnotationRefName] == l.ref
}

// index reads the index.json of the OCI layout.
func (l *localStorage) index() (*ocispecs.Index, error) {
	f, err := regularfile.Open(filepath.Join(l.dir, ocispecs.ImageIndexFile))
	if err != nil {
		return nil, err
	}
	data, err := readAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	var idx ocispecs.Index
	if err := json.Unmarshal(data, &idx); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return &idx, nil
}

// open implements [storage].
func (l *localStorage) open(_ context.Context, d ocispecs.Descriptor) (io.ReadCloser, error) {
	return regularfile.Open(l.blob(d.Digest))
}

// put implements [storage].
func (l *localStorage) put(ctx context.Context, d ocispecs.Descriptor, open func() (io.ReadCloser, error)) error {
	name := l.blob(d.Digest)
	if info, err := os.Stat(name); err == nil && info.Size() == d.Size {
		return nil
	}
	return export.WriteFile(name, func(w io.Writer) error {
		r, err := open()
		if err != nil {
			return err
		}
		return errors.Join(copyVerified(ctx, w, r, d), r.Close())
	})
}

// copyVerified copies a blob from r to w. It returns an error if the size or the digest of
// the bytes differs from the descriptor d.
func copyVerified(ctx context.Context, w io.Writer, r io.Reader, d ocispecs.Descriptor) error {
	v := d.Digest.Verifier()
	n, err := io.Copy(io.MultiWriter(w, v), r)
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if n != d.Size || !v.Verified() {
		return fmt.Errorf("%s is damaged", d.Digest)
	}
	return nil
}

// tag implements [storage]. Like BuildKit's clients, it removes the previous manifest
// with the tag from the index, and leaves the blobs of that manifest in the directory.
func (l *localStorage) tag(ctx context.Context, d ocispecs.Descriptor, data []byte) error {
	if err := l.put(ctx, d, reader(data)); err != nil {
		return err
	}
	unlock, err := export.LockIndex(ctx, l.dir)
	if err != nil {
		return err
	}
	defer unlock()
	idx, err := l.index()
	if errors.Is(err, fs.ErrNotExist) {
		idx, err = &ocispecs.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispecs.MediaTypeImageIndex}, nil
	}
	if err != nil {
		return err
	}
	idx.Manifests = slices.DeleteFunc(idx.Manifests, l.hasTag)
	d.Annotations = map[string]string{ocispecs.AnnotationRefName: l.ref}
	idx.Manifests = append(idx.Manifests, d)
	return errors.Join(
		l.write(ocispecs.ImageLayoutFile, ocispecs.ImageLayout{Version: ocispecs.ImageLayoutVersion}),
		l.write(ocispecs.ImageIndexFile, idx),
	)
}

// write writes v as JSON to a file of the layout.
func (l *localStorage) write(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return export.WriteFile(filepath.Join(l.dir, name), func(w io.Writer) error { _, err := w.Write(data); return err })
}
