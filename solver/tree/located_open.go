package tree

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// errNotRegular is the error for a file that is not a regular file.
var errNotRegular = errors.New("is not a regular file")

// errNoLayer is the error for a blob that no layer contains.
var errNoLayer = &fs.PathError{Op: "open", Path: "layers", Err: fs.ErrNotExist}

// openLocated opens a blob in a layer directory, and verifies its digest unless this process
// has already done so. If no layer contains the blob, the error is [errNoLayer].
//
// If the file does not match the blob, openLocated stops using that layer, and tries other
// layers that contain the blob. If the file does not exist, another process may have moved it,
// so openLocated stops using the layer only if lost is set.
func (s *Store) openLocated(b Blob, reader func(io.Reader) io.Reader, lost bool) (*os.File, error) {
	x, i := s.located.find(b.Digest)
	if x == nil {
		return nil, errNoLayer
	}
	f, err := s.openIn(x, i, b, reader, lost)
	if err == nil || !isDamage(err) && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	key, keyErr := indexKey(b.Digest)
	if keyErr != nil {
		return nil, keyErr
	}
	if refreshErr := s.located.refresh(); refreshErr != nil {
		return nil, errors.Join(err, refreshErr)
	}
	for _, o := range s.located.others(b.Digest, x) {
		i, _ := o.find(key)
		f, otherErr := s.openIn(o, i, b, reader, lost)
		if otherErr == nil {
			s.located.found(o)
			return f, nil
		}
		if !errors.Is(otherErr, fs.ErrNotExist) {
			err = otherErr
		}
	}
	return nil, err
}

// openIn does the work of openLocated for one layer. The blob b has the number i in the
// layer's index x.
func (s *Store) openIn(x *blobIndex, i int, b Blob, reader func(io.Reader) io.Reader, lost bool) (*os.File, error) {
	at := x.location(i)
	f, err := openBeneath(x.layer, at.Path)
	if err == nil {
		if err = s.verify(f, b, x.checked[i].Load(), reader); err == nil {
			x.checked[i].Store(true)
			return f, nil
		}
		err = errors.Join(err, f.Close())
	}
	switch {
	case isAside(x.layer) && isDamage(err):
		return nil, fs.ErrNotExist // another process may be writing the file
	case isDamage(err), lost && errors.Is(err, fs.ErrNotExist) && IsLocated(x.layer):
		err = errors.Join(&fs.PathError{Op: "open", Path: filepath.Join(x.layer, at.Path), Err: err}, s.retire(x, i))
	}
	return nil, err
}

// isDamage reports whether err means that a file in a layer is not the blob that the index
// lists for its path.
func isDamage(err error) bool {
	var damage damageError
	return errors.As(err, &damage) || errors.Is(err, errNotRegular) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, syscall.ENOTDIR) || errors.Is(err, fs.ErrInvalid)
}

// retire stops the use of a layer in which the blob with the number i is damaged, because
// steps would see the damaged file, too. It renames the layer directory, so that runners write
// the layer again. The other blobs remain available in the renamed directory. They cannot be
// moved, because running steps may use the directory.
func (s *Store) retire(x *blobIndex, i int) error {
	l := &s.located
	l.mu.Lock()
	defer l.mu.Unlock()
	if isAside(x.layer) || !slices.Contains(l.indexes, x) {
		return nil // not used as a layer, or another goroutine was faster
	}
	layer, err := s.asideName(x.layer)
	if err != nil {
		return err
	}
	data, err := encodeIndex(x.without(i))
	if err != nil {
		return err
	}
	// A reader finds the other blobs through one of the indexes at every moment.
	if err := s.write(layer+indexSuffix, data); err != nil {
		return err
	}
	if err := os.Rename(x.layer, layer); err != nil {
		return errors.Join(ignoreMissing(err), os.Remove(layer+indexSuffix)) // another process was faster
	}
	if err := ignoreMissing(os.Remove(x.layer + indexSuffix)); err != nil {
		return err
	}
	next, err := parseIndex(layer, data)
	if err != nil {
		return err
	}
	l.forget(x)
	l.add(next)
	return nil
}

// forget removes the index x from the indexes that find searches. The caller must hold the
// lock.
func (l *locatedBlobs) forget(x *blobIndex) {
	if at := l.listed[filepath.Dir(x.layer)]; at != nil {
		delete(at.indexes, filepath.Base(x.layer)+indexSuffix)
	}
	l.collect()
}

// asideName returns a new path with [asideMark] to which a layer directory can be renamed.
func (s *Store) asideName(layer string) (string, error) {
	name, err := s.unusedName()
	before, _, _ := strings.Cut(filepath.Base(layer), asideMark)
	return filepath.Join(filepath.Dir(layer), before+asideMark+name), err
}

// unusedName returns a file name that no other call returns, even in other processes.
func (s *Store) unusedName() (string, error) {
	f, err := os.CreateTemp(s.temp(), "")
	if err != nil {
		return "", err
	}
	return filepath.Base(f.Name()), errors.Join(f.Close(), ignoreMissing(os.Remove(f.Name())))
}

// ignoreMissing returns nil if err means that a file does not exist, and err otherwise.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// hasLocated reports whether a layer contains the blob b and its file has the right size. It
// does not verify the digest.
func (s *Store) hasLocated(b Blob) bool {
	x, i := s.located.find(b.Digest)
	if x == nil && s.located.refresh() == nil {
		x, i = s.located.find(b.Digest)
	}
	if x == nil || x.location(i).Blob != b {
		return false
	}
	f, err := openBeneath(x.layer, x.location(i).Path)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return errors.Join(err, f.Close()) == nil && info.Size() == b.Size
}

// find opens the blob with the digest d, whose size is unknown, in the store's own directory
// or in a layer. It does not verify the digest.
func (s *Store) find(d digest.Digest) (*os.File, error) {
	f, err := regularfile.Open(s.path("blobs", d))
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	x, i := s.located.find(d)
	if x == nil && s.located.refresh() == nil {
		x, i = s.located.find(d)
	}
	if x == nil {
		return nil, err
	}
	return openBeneath(x.layer, x.location(i).Path)
}
