package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Store stores blobs and directories on disk by digest. Several processes may use a
// store concurrently: its files appear complete and never change.
type Store struct {
	dir   string
	sound sync.Map // digests that this process wrote or checked
}

// BlobError reports that the store lacks a blob, or that the blob was damaged and has
// been removed. The caller has to recreate the blob.
type BlobError struct {
	Digest digest.Digest
	Err    error
}

func (e *BlobError) Error() string { return fmt.Sprintf("blob %s: %v", e.Digest, e.Err) }

// Unwrap returns the underlying error.
func (e *BlobError) Unwrap() error { return e.Err }

// OpenStore opens the store in a directory, and creates the directory if necessary.
func OpenStore(dir string) (*Store, error) {
	for _, d := range []string{"blobs", "dirs", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	return &Store{dir: dir}, nil
}

// Put reads a blob to its end and stores it. Long runs of zeros become holes.
func (s *Store) Put(r io.Reader) (Blob, error) {
	tmp, err := os.CreateTemp(filepath.Join(s.dir, "tmp"), "")
	if err != nil {
		return Blob{}, err
	}
	defer os.Remove(tmp.Name()) // fails if the file was renamed
	hash := sha256.New()
	file := &sparse{f: tmp}
	size, err := io.Copy(io.MultiWriter(file, hash), r)
	if err == nil {
		err = file.end(size)
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return Blob{}, err
	}
	b := Blob{Digest: digest.NewDigestFromHex("sha256", hex.EncodeToString(hash.Sum(nil))), Size: size}
	return b, s.keep(tmp.Name(), b)
}

// keep moves a complete blob to its final path, unless a valid blob exists.
func (s *Store) keep(tmp string, b Blob) error {
	if _, ok := s.sound.Load(b.Digest); ok && s.Has(b) {
		return nil
	}
	if err := move(tmp, s.path("blobs", b.Digest)); err != nil {
		return err
	}
	s.sound.Store(b.Digest, nil)
	return nil
}

// PutBytes stores a blob. It does not replace a valid existing blob, because some file
// systems flush to disk when a file is replaced.
func (s *Store) PutBytes(data []byte) (Blob, error) {
	b := Blob{Digest: digest.FromBytes(data), Size: int64(len(data))}
	if f, err := s.Open(b); err == nil {
		return b, f.Close()
	}
	if err := s.write(s.path("blobs", b.Digest), data); err != nil {
		return b, err
	}
	s.sound.Store(b.Digest, nil)
	return b, nil
}

// Open opens a blob. On the first use of a blob that this process did not write, the
// content is checked. If the blob does not exist or does not match its digest, the
// error is a [BlobError].
func (s *Store) Open(b Blob) (*os.File, error) {
	return s.open(b, func(r io.Reader) io.Reader { return r })
}

// OpenContext opens a blob like [Store.Open]. The check of a large blob is slow, and stops
// when ctx ends.
func (s *Store) OpenContext(ctx context.Context, b Blob) (*os.File, error) {
	return s.open(b, func(r io.Reader) io.Reader { return Reader(ctx, r) })
}

func (s *Store) open(b Blob, reader func(io.Reader) io.Reader) (*os.File, error) {
	if err := b.Digest.Validate(); err != nil {
		return nil, &BlobError{b.Digest, err}
	}
	f, err := os.Open(s.path("blobs", b.Digest))
	if err != nil {
		return nil, &BlobError{b.Digest, err}
	}
	if err := s.check(f, b, reader); err != nil {
		f.Close()
		return nil, &BlobError{b.Digest, err}
	}
	return f, nil
}

// Find returns the content of a small blob of unknown size, without checking its
// digest.
func (s *Store) Find(d digest.Digest, maxSize int64) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := os.Open(s.path("blobs", d))
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && int64(len(data)) > maxSize {
		err = fmt.Errorf("blob %s has more than %d bytes", d, maxSize)
	}
	return data, err
}

// check checks that an open file matches a blob, and removes the file if it does not.
func (s *Store) check(f *os.File, b Blob, reader func(io.Reader) io.Reader) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != b.Size {
		return errors.Join(fmt.Errorf("has %d bytes instead of %d", info.Size(), b.Size), removeOpen(f))
	}
	if _, ok := s.sound.Load(b.Digest); ok {
		return nil
	}
	hash := b.Digest.Verifier()
	data, err := content(f)
	if err != nil {
		return err
	}
	if _, err := io.Copy(hash, reader(data)); err != nil {
		return err
	}
	if !hash.Verified() {
		return errors.Join(errors.New("its content is another"), removeOpen(f))
	}
	s.sound.Store(b.Digest, nil)
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// removeOpen removes an open file, unless another process has replaced it with another
// file.
func removeOpen(f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(f.Name())
	if err != nil || !os.SameFile(opened, named) {
		return nil //nolint:nilerr // the file was replaced or removed
	}
	return os.RemoveAll(f.Name())
}

// Has reports whether the store has a blob. It does not check the content.
func (s *Store) Has(b Blob) bool {
	if b.Digest.Validate() != nil {
		return false
	}
	info, err := os.Stat(s.path("blobs", b.Digest))
	return err == nil && info.Size() == b.Size
}

// Save stores a directory and everything below it, except for the blobs of its files.
// Directories that the store already has are not written again.
func (s *Store) Save(n *Node) error {
	name := s.path("dirs", n.id)
	if _, ok := s.sound.Load(n.id); ok {
		if _, err := os.Stat(name); err == nil {
			return nil // including subdirectories, which are saved first
		}
	}
	for _, e := range n.entries {
		if e.Node.kind == Dir {
			if err := s.Save(e.Node); err != nil {
				return err
			}
		}
	}
	data := n.encode(true)
	if old, err := os.ReadFile(name); err != nil || !bytes.Equal(old, data) {
		if err := s.write(name, data); err != nil {
			return err
		}
	}
	s.sound.Store(n.id, nil)
	return nil
}

// Load returns a saved directory.
func (s *Store) Load(id digest.Digest) (*Node, error) { return s.Loader().Load(id) }

// Loader loads directories and shares the subdirectories they have in common. Safe for
// concurrent use.
type Loader struct {
	store *Store
	known sync.Map // nodes by ID
}

// Loader returns a new, empty loader.
func (s *Store) Loader() *Loader { return &Loader{store: s} }

// Load returns a saved directory.
func (l *Loader) Load(id digest.Digest) (*Node, error) {
	if n, ok := l.known.Load(id); ok {
		return n.(*Node), nil
	}
	if err := id.Validate(); err != nil {
		return nil, fmt.Errorf("directory %q: %w", id, err)
	}
	name := l.store.path("dirs", id)
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", id, err)
	}
	n, err := decode(data, l.Load)
	if err == nil && n.id != id {
		err = fmt.Errorf("its content is that of %s", n.id)
	}
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", id, errors.Join(err, os.RemoveAll(name)))
	}
	l.known.Store(id, n)
	l.store.sound.Store(id, nil)
	return n, nil
}

// path returns the path of a file in the store. Files are spread over 256 directories,
// because large directories are slow on some file systems.
func (s *Store) path(kind string, d digest.Digest) string {
	hex := d.Encoded()
	return filepath.Join(s.dir, kind, hex[:2], hex[2:])
}

func (s *Store) write(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Join(s.dir, "tmp"), "")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return move(tmp.Name(), name)
}

// move renames a complete file to its final path.
func move(tmp, name string) error {
	err := os.Rename(tmp, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = os.MkdirAll(filepath.Dir(name), 0o700)
	case errors.Is(err, fs.ErrExist): // a directory that this store did not create
		err = os.RemoveAll(name)
	default:
		return err
	}
	return errors.Join(err, os.Rename(tmp, name))
}

// Clean removes incomplete files of processes that were killed. It must not run while
// the store is in use.
func (s *Store) Clean() error {
	tmp := filepath.Join(s.dir, "tmp")
	entries, err := os.ReadDir(tmp)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(tmp, e.Name())))
	}
	return err
}

// Repair reads all blobs and removes the damaged ones.
func (s *Store) Repair(ctx context.Context) error {
	return s.each(ctx, "blobs", func(file string, d digest.Digest) error {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		err = d.Validate()
		if err == nil {
			err = s.check(f, Blob{d, info.Size()}, func(r io.Reader) io.Reader { return Reader(ctx, r) })
		}
		if err != nil && ctx.Err() == nil {
			return os.RemoveAll(file)
		}
		return ctx.Err()
	})
}

// each calls fn for each file of a kind with the digest in its name. Another process
// may delete files meanwhile.
func (s *Store) each(ctx context.Context, kind string, fn func(string, digest.Digest) error) error {
	return filepath.WalkDir(filepath.Join(s.dir, kind), func(file string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return ctx.Err()
		}
		if err = errors.Join(err, ctx.Err()); err != nil || d.IsDir() {
			return err
		}
		hex := filepath.Base(filepath.Dir(file)) + d.Name()
		return fn(file, digest.NewDigestFromEncoded(digest.SHA256, hex))
	})
}

// Sizes holds the sizes of blobs and directories, in bytes.
type Sizes struct{ Blobs, Dirs map[digest.Digest]int64 }

// Sizes returns the sizes of all files of the store, without holes.
func (s *Store) Sizes(ctx context.Context) (Sizes, error) {
	out := Sizes{map[digest.Digest]int64{}, map[digest.Digest]int64{}}
	for kind, sizes := range map[string]map[digest.Digest]int64{"blobs": out.Blobs, "dirs": out.Dirs} {
		err := s.each(ctx, kind, func(file string, d digest.Digest) error {
			info, err := os.Lstat(file)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil {
				sizes[d] = sizeOnDisk(info)
			}
			return err
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// Sweep removes all blobs and directories except for the given ones. It must not run
// while the store is in use.
func (s *Store) Sweep(ctx context.Context, blobs, dirs map[digest.Digest]bool) error {
	s.sound.Clear()
	for kind, keep := range map[string]map[digest.Digest]bool{"blobs": blobs, "dirs": dirs} {
		err := s.each(ctx, kind, func(file string, d digest.Digest) error {
			if keep[d] {
				return nil
			}
			if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Remove removes a blob. It must not run while the blob is in use.
func (s *Store) Remove(d digest.Digest) error {
	s.sound.Delete(d)
	if err := os.Remove(s.path("blobs", d)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
