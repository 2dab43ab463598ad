package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Store keeps blobs and directories on disk under their digest. Several
// processes may use one at the same time: a file of it appears whole, and never
// changes.
type Store struct{ dir string }

// OpenStore opens the store in a directory, which it makes if it is not there.
func OpenStore(dir string) (*Store, error) {
	for _, d := range []string{"blobs", "dirs", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	return &Store{dir: dir}, nil
}

// Put reads a blob to its end and keeps it.
func (s *Store) Put(r io.Reader) (Blob, error) {
	tmp, err := os.CreateTemp(filepath.Join(s.dir, "tmp"), "")
	if err != nil {
		return Blob{}, err
	}
	defer os.Remove(tmp.Name()) // fails where it was renamed
	hash := sha256.New()
	size, err := io.Copy(io.MultiWriter(tmp, hash), r)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return Blob{}, err
	}
	b := Blob{Digest: digest.NewDigestFromHex("sha256", hex.EncodeToString(hash.Sum(nil))), Size: size}
	return b, s.keep(tmp.Name(), s.path("blobs", b.Digest), size)
}

// PutBytes keeps a blob.
func (s *Store) PutBytes(data []byte) (Blob, error) {
	b := Blob{Digest: digest.FromBytes(data), Size: int64(len(data))}
	return b, s.write(s.path("blobs", b.Digest), data)
}

// Open opens a blob. A file whose size is wrong, as a crash of the machine may
// leave one, is an error and is removed, so that it can be made again.
func (s *Store) Open(b Blob) (*os.File, error) {
	name := s.path("blobs", b.Digest)
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", b.Digest, err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != b.Size {
		err = fmt.Errorf("has %d bytes instead of %d", info.Size(), b.Size)
		os.Remove(name)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("blob %s: %w", b.Digest, err)
	}
	return f, nil
}

// Find returns a small blob whose size is not known. Its content is not checked.
func (s *Store) Find(d digest.Digest, maxSize int64) ([]byte, error) {
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

// Has tells whether the store has a blob.
func (s *Store) Has(b Blob) bool {
	info, err := os.Stat(s.path("blobs", b.Digest))
	return err == nil && info.Size() == b.Size
}

// Save keeps a directory and all below it, but not the blobs of its files. What
// the store has already is not written again.
func (s *Store) Save(n *Node) error {
	name := s.path("dirs", n.id)
	if info, err := os.Stat(name); err == nil && info.Size() > 0 {
		return nil // with all below it, which is saved first; a crash of the machine empties files
	}
	for _, e := range n.entries {
		if e.Node.kind == Dir {
			if err := s.Save(e.Node); err != nil {
				return err
			}
		}
	}
	return s.write(name, n.encode(true))
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
	data, err := os.ReadFile(l.store.path("dirs", id))
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", id, err)
	}
	n, err := decode(data, l.Load)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", id, err)
	}
	if n.id != id {
		return nil, fmt.Errorf("directory %s: its content is that of %s", id, n.id)
	}
	l.known.Store(id, n)
	return n, nil
}

// path spreads files over 256 folders, which file systems like better.
func (s *Store) path(kind string, d digest.Digest) string {
	hex := d.Encoded()
	return filepath.Join(s.dir, kind, hex[:2], hex[2:])
}

func (s *Store) write(name string, data []byte) error {
	if info, err := os.Stat(name); err == nil && info.Size() == int64(len(data)) {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Join(s.dir, "tmp"), "")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return s.keep(tmp.Name(), name, int64(len(data)))
}

// keep moves a complete file to its place.
func (s *Store) keep(tmp, name string, size int64) error {
	if info, err := os.Stat(name); err == nil && info.Size() == size {
		return nil
	}
	err := os.Rename(tmp, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(name), 0o700); err == nil {
			err = os.Rename(tmp, name)
		}
	}
	return err
}

// Clean removes what processes that were killed left half-written. It must not
// run beside others that use the store.
func (s *Store) Clean() error {
	tmp := filepath.Join(s.dir, "tmp")
	entries, err := os.ReadDir(tmp)
	for _, e := range entries {
		err = errors.Join(err, os.Remove(filepath.Join(tmp, e.Name())))
	}
	return err
}

// Sweep removes all blobs and directories but these. It must not run beside
// others that use the store.
func (s *Store) Sweep(blobs, dirs map[digest.Digest]bool) error {
	for kind, keep := range map[string]map[digest.Digest]bool{"blobs": blobs, "dirs": dirs} {
		err := filepath.WalkDir(filepath.Join(s.dir, kind), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			hex := filepath.Base(filepath.Dir(file)) + d.Name()
			if keep[digest.NewDigestFromEncoded(digest.SHA256, hex)] {
				return nil
			}
			return os.Remove(file)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// clean brings a path into the form without leading and trailing slashes in
// which "" is the root; ".." does not leave it.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}
