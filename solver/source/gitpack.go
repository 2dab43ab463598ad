package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// storePack writes a pack to a repository, whose objects must not be too many or
// too large: go-git allocates memory for all of them before it reads the first,
// and reads each as a whole.
func storePack(r io.Reader, to storer.PackfileWriter) error {
	const (
		headerSize = 12       // "PACK", version, number of objects
		packChunk  = 64 << 10 // what is written at a time
	)
	b := bufio.NewReader(r)
	head, err := b.Peek(headerSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if len(head) == headerSize {
		if n := binary.BigEndian.Uint32(head[8:]); n > maxPackObjects {
			return fmt.Errorf("the pack claims to have %d objects, more than %d", n, maxPackObjects)
		}
	}
	w, err := to.PackfileWriter()
	if err != nil {
		return err
	}
	pack := io.TeeReader(b, w)
	err = checkPack(packfile.NewScanner(bufio.NewReaderSize(pack, packChunk)))
	if err == nil {
		_, err = io.Copy(io.Discard, pack)
	}
	closeErr := w.Close()
	if closeErr != nil && !errors.Is(err, errLargeObject) {
		return closeErr // what is wrong with the pack
	}
	return err
}

var errLargeObject = fmt.Errorf("the pack has an object of more than %d bytes", maxGitObject)

// checkPack reads all objects of a pack.
func checkPack(s *packfile.Scanner) error {
	_, n, err := s.Header()
	if err != nil {
		return err
	}
	var content firstBytes
	for range n {
		h, err := s.NextObjectHeader()
		if err != nil {
			return err
		}
		if h.Length > maxGitObject {
			return errLargeObject
		}
		content.Reset()
		if _, _, err := s.NextObject(&content); err != nil {
			return err
		}
		if h.Type.IsDelta() && resultSize(&content) > maxGitObject {
			return errLargeObject
		}
	}
	return nil
}

// resultSize returns the size of what a delta makes, which is the second number
// in it. A delta that has none is invalid.
// https://git-scm.com/docs/gitformat-pack#_deltified_representation
func resultSize(delta io.ByteReader) uint64 {
	if _, err := binary.ReadUvarint(delta); err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(delta)
	if err != nil {
		return 0
	}
	return n
}

// atMost is a reader that fails after so many bytes.
type atMost struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (a *atMost) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if a.left -= int64(n); a.left < 0 {
		return 0, fmt.Errorf("the server lists refs in more than %d bytes", maxGitRefs)
	}
	return n, err
}
