package export

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/decompress"
	"slipway/internal/regularfile"
	"slipway/internal/sealed"
	"slipway/solver/snapshot"
	"slipway/solver/tree"
)

// Layers creates blobs for layers from the files in the layers. It stores the blobs in Store,
// and caches their descriptors in the directory Dir. Its methods are safe for concurrent use.
type Layers struct {
	Store *tree.Store
	Dir   string
	Now   time.Time // creation time of new layers whose own time is unknown
	// Compression is the compression of new layers.
	Compression Compression
	// Written is called after each write to a new layer with the number of uncompressed
	// bytes written. It may be nil.
	Written func(n int64)

	mu     sync.Mutex
	blocks *gzipBlocks // compresses the blocks of all layers; nil before the first one
	level  int         // level of blocks
}

// Blob returns the blob for the layer l, and creates it if needed. A layer of an image keeps
// the image's blob, which registries may already have, unless its compression must be
// converted ([Compression].Force). If latest is not nil, Blob always creates the blob from the
// files of the layer, and limits their modification times to latest.
func (x *Layers) Blob(ctx context.Context, l snapshot.Layer, latest *time.Time) (*snapshot.LayerBlob, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	create, key := func() (*snapshot.LayerBlob, error) { return x.compress(ctx, l, latest) }, x.key(l, latest)
	if l.Blob != nil && latest == nil {
		if !x.Compression.Converts(l.Blob.Descriptor.MediaType) {
			return l.Blob, nil
		}
		create = func() (*snapshot.LayerBlob, error) { return x.convert(ctx, l.Blob) }
		key = digest.FromString(string(l.Blob.Descriptor.Digest) + " " + x.Compression.format()).Encoded()
	}
	if b := x.stored(key); b != nil {
		return b, nil
	}
	file := x.file(key)
	if err := os.RemoveAll(file); err != nil { // the file is damaged, or the store lacks its blob
		return nil, err
	}
	b, err := create()
	if err != nil {
		return nil, err
	}
	data, err := sealed.Marshal(b)
	if err != nil {
		return nil, err
	}
	return b, WriteFile(file, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// file returns the name of the file with the descriptor of the blob that has a key.
func (x *Layers) file(key string) string { return filepath.Join(x.Dir, key+".json") }

// stored returns the blob that was created under a key. If no blob was created, or if the store has
// lost it, stored returns nil.
func (x *Layers) stored(key string) *snapshot.LayerBlob {
	data, err := regularfile.Read(x.file(key))
	if err != nil {
		return nil
	}
	var b snapshot.LayerBlob
	if sealed.Unmarshal(data, &b) != nil || !x.Store.Has(b.StoreBlob()) {
		return nil
	}
	return &b
}

// existing returns the blob of a layer with its original file times, if this or an earlier build has
// created it or if it comes from an image. Otherwise, it returns nil.
func (x *Layers) existing(l snapshot.Layer) *snapshot.LayerBlob {
	if l.Blob == nil {
		return x.stored(x.key(l, nil))
	}
	return l.Blob
}

// Blobs returns the digests of the layer blobs that this and earlier builds have created.
// It reads them from the descriptors in the cache directory x.Dir.
func (x *Layers) Blobs() (map[digest.Digest]bool, error) {
	files, err := os.ReadDir(x.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	blobs := map[digest.Digest]bool{}
	for _, f := range files {
		var b snapshot.LayerBlob
		if data, err := regularfile.Read(filepath.Join(x.Dir, f.Name())); err == nil && sealed.Unmarshal(data, &b) == nil {
			blobs[b.Descriptor.Digest] = true
		}
	}
	return blobs, nil
}

func (x *Layers) key(l snapshot.Layer, latest *time.Time) string {
	return digest.FromString(fmt.Sprintf("%s %s %v %s", l.Lower.ID(), l.Upper.ID(), latest, x.Compression.format())).Encoded()
}

// compress creates the blob for the layer l from its files.
func (x *Layers) compress(ctx context.Context, l snapshot.Layer, latest *time.Time) (*snapshot.LayerBlob, error) {
	created := l.Created
	if created.IsZero() {
		created = x.Now
	}
	return x.put(created.UTC(), func(w io.Writer) error {
		trees, err := l.Load()
		if err != nil {
			return err
		}
		return tree.WriteLayer(ctx, w, trees, x.Store, tree.LayerOptions{Latest: latest})
	})
}

// convert creates a blob with the configured compression from a blob with another compression.
// The uncompressed archive stays the same.
func (x *Layers) convert(ctx context.Context, from *snapshot.LayerBlob) (*snapshot.LayerBlob, error) {
	b, err := x.put(from.Created, func(w io.Writer) error {
		f, err := x.Store.Open(from.StoreBlob())
		if err != nil {
			return err
		}
		r, err := decompress.NewReader(f)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		_, err = io.Copy(Writer(ctx, w), r)
		return errors.Join(err, r.Close(), f.Close())
	})
	if err == nil && b.DiffID != from.DiffID {
		return nil, fmt.Errorf("layer %s: its content has the digest %s instead of %s", from.Descriptor.Digest, b.DiffID, from.DiffID)
	}
	return b, err
}

// put stores a compressed layer and returns its blob. The function write writes the
// uncompressed archive, and created is the creation time of the layer.
func (x *Layers) put(created time.Time, write func(io.Writer) error) (*snapshot.LayerBlob, error) {
	hash := sha256.New()
	r, w := io.Pipe()
	go func() {
		z, err := x.writer(w)
		if err == nil {
			err = errors.Join(write(io.MultiWriter(z, hash, counter(x.Written))), z.Close())
		}
		w.CloseWithError(err)
	}()
	b, err := x.Store.Put(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return &snapshot.LayerBlob{
		Descriptor: ocispecs.Descriptor{MediaType: x.Compression.mediaType(), Digest: b.Digest, Size: b.Size},
		DiffID:     digest.NewDigest(digest.SHA256, hash),
		Created:    created,
	}, nil
}

// counter is an [io.Writer] that calls itself with the number of bytes of each write, and
// discards the data. A nil counter only discards the data.
type counter func(n int64)

// Write implements [io.Writer].
func (c counter) Write(p []byte) (int, error) {
	if c != nil {
		c(int64(len(p)))
	}
	return len(p), nil
}
