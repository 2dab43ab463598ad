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

// Store keeps blobs and directories on disk under their digest. Several
// processes may use one at the same time: a file of it appears whole, and never
// changes.
type Store struct {
	dir   string
	sound sync.Map // digests of what this process wrote or checked
}

// BlobError says that the store lacks a blob, or that it was damaged and has
// been removed: what it is of has to be made again.
type BlobError struct {
	Digest digest.Digest
	Err    error
}

func (e *BlobError) Error() string { return fmt.Sprintf("blob %s: %v", e.Digest, e.Err) }

// Unwrap returns what is wrong with the blob.
func (e *BlobError) Unwrap() error { return e.Err }

// OpenStore opens the store in a directory, which it makes if it is not there.
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
	defer os.Remove(tmp.Name()) // fails where it was renamed
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

// keep moves a complete blob to its place, unless a good one is there.
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

// PutBytes keeps a blob. A good one that is there is not replaced: some file systems
// flush the disk for that.
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

// Open opens a blob. The first time that this process opens one that it did not
// write, the content is checked. If there is none, or a wrong one, the error is
// a [BlobError].
func (s *Store) Open(b Blob) (*os.File, error) {
	return s.open(b, func(r io.Reader) io.Reader { return r })
}

// OpenContext opens a blob like [Store.Open]. To check the content of a large one takes
// long, and ends when the context does.
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

// Find returns a small blob whose size is not known. Its content is not checked.
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

// check compares a file with the blob that it should be, and removes it if it is
// another.
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

// removeOpen removes an open file, unless another process has put another file in
// its place.
func removeOpen(f *os.File) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Lstat(f.Name())
	if err != nil || !os.SameFile(opened, named) {
		return nil //nolint:nilerr // it is gone
	}
	return os.RemoveAll(f.Name())
}

// Has tells whether the store has a blob. It does not look at the content.
func (s *Store) Has(b Blob) bool {
	if b.Digest.Validate() != nil {
		return false
	}
	info, err := os.Stat(s.path("blobs", b.Digest))
	return err == nil && info.Size() == b.Size
}

// Save keeps a directory and all below it, but not the blobs of its files. What
// the store has already is not written again.
func (s *Store) Save(n *Node) error {
	name := s.path("dirs", n.id)
	if _, ok := s.sound.Load(n.id); ok {
		if _, err := os.Stat(name); err == nil {
			return nil // with all below it, which is saved first
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

// Load returns a directory that was saved.
func (s *Store) Load(id digest.Digest) (*Node, error) { return s.Loader().Load(id) }

// Loader loads directories that have much in common: what they share is loaded
// once. It is used from several goroutines.
type Loader struct {
	store *Store
	known sync.Map // nodes by ID
}

// Loader returns a loader that has not loaded anything yet.
func (s *Store) Loader() *Loader { return &Loader{store: s} }

// Load returns a directory that was saved.
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

// path spreads files over 256 folders, which file systems like better.
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

// move moves a complete file to its place.
func move(tmp, name string) error {
	err := os.Rename(tmp, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = os.MkdirAll(filepath.Dir(name), 0o700)
	case errors.Is(err, fs.ErrExist): // a directory, which is none of ours
		err = os.RemoveAll(name)
	default:
		return err
	}
	return errors.Join(err, os.Rename(tmp, name))
}

// Clean removes what processes that were killed left half-written. It must not
// run beside others that use the store.
func (s *Store) Clean() error {
	tmp := filepath.Join(s.dir, "tmp")
	entries, err := os.ReadDir(tmp)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(tmp, e.Name())))
	}
	return err
}

// Repair reads all blobs and removes those that are damaged.
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

// each calls fn for the files of a kind with the digests that their names say.
// Another process may delete files meanwhile.
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

// Sizes are the sizes of what a store has, in bytes.
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

// Sweep removes all blobs and directories but these. It must not run beside
// others that use the store.
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

// Remove removes a blob. It must not run beside others that use it.
func (s *Store) Remove(d digest.Digest) error {
	s.sound.Delete(d)
	if err := os.Remove(s.path("blobs", d)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
