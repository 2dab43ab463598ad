package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// Store stores blobs and directories on disk by digest. Safe for concurrent use, also by
// several processes: each file is renamed to its path when it is complete, and never
// changes.
type Store struct {
	dir      string
	verified sync.Map  // digests of blobs that this process wrote or verified
	saved    sync.Map  // names of the directory files that this process wrote
	codec    codec     // compresses directory files
	buffers  sync.Pool // see [Store.buffer]
	located  locatedBlobs
}

// BlobError is the error for a blob or directory that does not exist in the store, or was
// found to be damaged and therefore removed. The caller must create it again.
type BlobError struct {
	Digest digest.Digest
	Err    error
}

func (e *BlobError) Error() string { return fmt.Sprintf("blob %s: %v", e.Digest, e.Err) }

// Unwrap returns the underlying error.
func (e *BlobError) Unwrap() error { return e.Err }

// OpenStore opens the store in the directory dir, and creates dir if it does not exist.
func OpenStore(dir string) (*Store, error) {
	for _, d := range []string{"blobs", "dirs", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	s := &Store{dir: dir}
	s.located.temp = s.temp()
	return s, nil
}

// Put reads r to its end and stores the bytes as a blob. Long runs of zeros become holes
// of the file.
func (s *Store) Put(r io.Reader) (Blob, error) {
	buf, release := s.buffer()
	defer release()
	return s.put(r, buf)
}

// commit moves the complete temporary file tmp to the path of the blob b. If the store already
// has the blob, commit removes tmp instead.
func (s *Store) commit(tmp string, b Blob) error {
	if f, err := s.openOwn(b, uninterrupted); err == nil {
		return errors.Join(f.Close(), os.Remove(tmp))
	}
	if err := move(tmp, s.path("blobs", b.Digest)); err != nil {
		return err
	}
	s.verified.Store(b.Digest, nil)
	return nil
}

// PutBytes stores data as a blob. If the store already has the blob, it does not write,
// because some file systems flush to disk when a file is replaced.
func (s *Store) PutBytes(data []byte) (Blob, error) {
	b := hashed(data)
	if f, err := s.openOwn(b, uninterrupted); err == nil {
		return b, f.Close()
	}
	if err := s.write(s.path("blobs", b.Digest), data); err != nil {
		return b, err
	}
	s.verified.Store(b.Digest, nil)
	return b, nil
}

// Open opens a blob for reading. If this process neither wrote nor verified the blob yet,
// Open reads it to verify its digest. If the blob does not exist or does not match its
// digest, the error is a [BlobError].
func (s *Store) Open(b Blob) (*os.File, error) {
	return s.open(b, uninterrupted)
}

// uninterrupted returns r itself. It is passed to open by callers without a context that could
// interrupt reading.
func uninterrupted(r io.Reader) io.Reader { return r }

// OpenContext opens a blob as [Store.Open] does. If ctx ends while the blob is verified,
// which may take long, OpenContext returns an error and does not remove the blob.
func (s *Store) OpenContext(ctx context.Context, b Blob) (*os.File, error) {
	return s.open(b, func(r io.Reader) io.Reader { return Reader(ctx, r) })
}

// open opens a blob in the store's own directory or in a layer. To verify the digest of the
// file, it reads from reader(file) instead of the file. Such a reader can stop when a context
// ends.
func (s *Store) open(b Blob, reader func(io.Reader) io.Reader) (*os.File, error) {
	if err := b.Digest.Validate(); err != nil {
		return nil, &BlobError{b.Digest, err}
	}
	const tries = 3 // another process may move the blob and add layers meanwhile
	f, err := s.openOwn(b, reader)
	for try := 1; err != nil; try++ {
		var located error
		if f, located = s.openLocated(b, reader, try == tries); located == nil {
			return f, nil
		}
		absent := errors.Is(located, errNoLayer)
		if !absent {
			err = located
		}
		if try == tries || absent && try > 1 || !errors.Is(err, fs.ErrNotExist) {
			return nil, &BlobError{b.Digest, err}
		}
		if err := s.located.refresh(); err != nil {
			return nil, &BlobError{b.Digest, err}
		}
		f, err = s.openOwn(b, reader)
	}
	return f, nil
}

// openOwn opens a blob in the store's own directory, as open does.
func (s *Store) openOwn(b Blob, reader func(io.Reader) io.Reader) (*os.File, error) {
	f, err := regularfile.Open(s.path("blobs", b.Digest))
	if err != nil {
		return nil, err
	}
	if err := s.check(f, b, reader); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Find returns the content of a blob whose size the caller does not know. It does not
// verify the digest. If the blob is larger than maxSize bytes, it returns an error.
func (s *Store) Find(d digest.Digest, maxSize int64) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	f, err := s.find(d)
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

// check verifies that the open file f in the store's own directory has the size and the
// digest of b. If not, it removes the file and returns an error. It reads f through the
// reader that the function reader returns. If this process has verified the blob before,
// check compares only the size.
func (s *Store) check(f *os.File, b Blob, reader func(io.Reader) io.Reader) error {
	_, verified := s.verified.Load(b.Digest)
	err := s.verify(f, b, verified, reader)
	switch {
	case err == nil:
		s.verified.Store(b.Digest, nil)
	case isDamage(err):
		err = errors.Join(err, removeOpen(f))
	}
	return err
}

// damageError is the error for a file whose content is not the expected blob.
type damageError string

func (e damageError) Error() string { return string(e) }

// verify returns a [damageError] unless the open file f has the size and the digest of b. If
// sizeOnly is set, it does not read the file.
func (s *Store) verify(f *os.File, b Blob, sizeOnly bool, reader func(io.Reader) io.Reader) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() != b.Size {
		return damageError(fmt.Sprintf("has %d bytes instead of %d", info.Size(), b.Size))
	}
	if sizeOnly {
		return nil
	}
	hash := b.Digest.Verifier()
	data, err := content(f)
	if err != nil {
		return err
	}
	buf, release := s.buffer()
	defer release()
	// The struct hides the method WriteTo of files, which would allocate another buffer.
	if _, err := io.CopyBuffer(hash, struct{ io.Reader }{reader(data)}, buf); err != nil {
		return err
	}
	if !hash.Verified() {
		return damageError("content does not match its digest")
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// removeOpen removes the open file f. If another process has replaced the file at its path,
// removeOpen does not remove the new file.
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

// Has reports whether the store has a file of the right size for the blob. It does not verify
// the digest.
func (s *Store) Has(b Blob) bool {
	if b.Digest.Validate() != nil {
		return false
	}
	info, err := os.Stat(s.path("blobs", b.Digest))
	return err == nil && info.Size() == b.Size || s.hasLocated(b)
}

// path returns the path of the blob or directory with digest d. The parameter kind is
// "blobs" or "dirs". Files are spread over 256 directories, because large directories
// are slow on some file systems.
func (s *Store) path(kind string, d digest.Digest) string {
	hex := d.Encoded()
	return filepath.Join(s.dir, kind, hex[:2], hex[2:])
}

// write writes data to a temporary file, and renames the temporary file to name. Other
// processes therefore never see an incomplete file.
func (s *Store) write(name string, data []byte) error {
	tmp, err := os.CreateTemp(s.temp(), "")
	if err != nil {
		return err
	}
	file := &sparseWriter{f: tmp}
	if _, err = file.Write(data); err == nil {
		err = file.end(int64(len(data)))
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = move(tmp.Name(), name)
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // fails if the file was renamed
	}
	return err
}

// temp returns the directory for files that are being written.
func (s *Store) temp() string { return filepath.Join(s.dir, "tmp") }

// move renames the complete file tmp to name, and creates the parent directory of name if
// it does not exist.
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
