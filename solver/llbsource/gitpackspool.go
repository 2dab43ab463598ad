package llbsource

import (
	"bufio"
	"compress/zlib"
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/hash"
)

// packSpool writes a pack of whole objects, in any order, to a temporary file. After finish, it
// reads the pack. Unlike [packWriter], it need not know the number of objects in advance.
//
// See https://git-scm.com/docs/gitformat-pack.
type packSpool struct {
	file *os.File
	out  *bufio.Writer
	n    uint32 // number of objects
}

const packHeader = 12 // size in bytes of the header of a pack

// newPackSpool creates a temporary file in dir. The caller must close the writer, which removes
// the file.
func newPackSpool(dir string) (*packSpool, error) {
	file, err := os.CreateTemp(dir, "pack-")
	if err != nil {
		return nil, err
	}
	w := &packSpool{file: file, out: bufio.NewWriter(file)}
	if _, err := w.out.Write(make([]byte, packHeader)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// add writes an object to the pack. It reads the content without the header from r, and returns an
// error if it does not have size bytes.
func (w *packSpool) add(kind plumbing.ObjectType, size int64, r io.Reader) error {
	w.n++
	if _, err := w.out.WriteString(packedHeader(kind, size)); err != nil {
		return err
	}
	z, err := zlib.NewWriterLevel(w.out, zlib.BestSpeed)
	if err != nil {
		return err
	}
	n, err := io.Copy(z, io.LimitReader(r, size+1))
	if err == nil && n != size {
		err = fmt.Errorf("it has another size than the %d bytes that it claims to have", size)
	}
	return errors.Join(err, z.Close())
}

// finish writes the header with the number of objects, and the checksum. Then it rewinds the file.
func (w *packSpool) finish() error {
	if err := w.out.Flush(); err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), w.n)
	if _, err := w.file.WriteAt(head, 0); err != nil {
		return err
	}
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := hash.New(crypto.SHA1)
	if _, err := io.Copy(sum, w.file); err != nil {
		return err
	}
	if _, err := w.file.Write(sum.Sum(nil)); err != nil {
		return err
	}
	_, err := w.file.Seek(0, io.SeekStart)
	return err
}

// Read implements [io.Reader].
func (w *packSpool) Read(p []byte) (int, error) { return w.file.Read(p) }

// Close closes and removes the temporary file.
func (w *packSpool) Close() error { return errors.Join(w.file.Close(), os.Remove(w.file.Name())) }
