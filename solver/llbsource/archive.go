package llbsource

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/moby/go-archive/compression"

	"slipway/internal/decompress"
	"slipway/internal/regularfile"
	"slipway/solver/tree"
)

const (
	maxArchiveLinks = 10      // links to follow from a name to a file
	maxArchiveFiles = 100_000 // entries in an archive of images
	maxMagic        = 512     // bytes of a file that show how it is compressed
)

// readerAt is an open archive file that can be read at any offset.
type readerAt interface {
	io.ReaderAt
	io.Closer
}

// archive is a tar archive whose files can be opened in any order. Only their names and
// offsets are in memory.
type archive struct {
	open  func() (readerAt, error)
	files map[string]archiveEntry
}

// archiveEntry is the position of a file in an archive or, for a link, the target of the link.
type archiveEntry struct {
	offset, size int64
	link         string // target of a symbolic or hard link; "" for a regular file
}

// openArchive opens an archive and reads the names and offsets of its files. It first
// decompresses a compressed archive into the store.
func (s *Sources) openArchive(ctx context.Context, file string) (*archive, error) {
	open := func() (readerAt, error) { return regularfile.Open(file) }
	f, err := regularfile.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head, err := bufio.NewReaderSize(f, maxMagic).Peek(maxMagic)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if compression.Detect(head) != compression.None {
		if open, err = s.decompressed(ctx, f, file); err != nil {
			return nil, err
		}
	}
	a := &archive{open: open, files: map[string]archiveEntry{}}
	return a, a.read()
}

// decompressed decompresses the archive f into the store, unless an earlier build has done so.
// It returns a function that opens the decompressed archive. The parameter file is the name of
// f.
func (s *Sources) decompressed(ctx context.Context, f *os.File, file string) (func() (readerAt, error), error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	key := file + " uncompressed"
	b, ok := s.Files.lookup(key, info)
	if !ok || !s.Store.Has(b) {
		stable := s.Files.isStable(info)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		r, err := decompress.NewReader(f)
		if err != nil {
			return nil, err
		}
		b, err = s.Store.Put(tree.Reader(ctx, r))
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if stable {
			s.Files.remember(key, info, b)
		}
	}
	return func() (readerAt, error) { return s.Store.Open(b) }, nil
}

// position turns an [io.ReaderAt] into an [io.ReadSeeker], so that archive/tar can skip the
// contents of files without reading them.
type position struct {
	r io.ReaderAt
	n int64
}

// Read implements [io.Reader].
func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.ReadAt(b, p.n)
	p.n += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek implements [io.Seeker].
func (p *position) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		p.n = offset
	case io.SeekCurrent:
		p.n += offset
	default:
		return 0, errors.New("an archive has no end to seek from")
	}
	return p.n, nil
}

func (a *archive) read() error {
	f, err := a.open()
	if err != nil {
		return err
	}
	defer f.Close()
	at := &position{r: f}
	for r := tar.NewReader(at); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("is not an archive, or is damaged: %w", err)
		}
		if len(a.files) == maxArchiveFiles {
			return fmt.Errorf("has more than %d files", maxArchiveFiles)
		}
		name := path.Clean("/" + h.Name)[1:]
		switch {
		case h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "":
			return fmt.Errorf("the file %s is sparse", name)
		case h.Typeflag == tar.TypeReg:
			a.files[name] = archiveEntry{offset: at.n, size: h.Size}
		case h.Typeflag == tar.TypeSymlink:
			a.files[name] = archiveEntry{link: path.Join("/", path.Dir(name), h.Linkname)[1:]}
		case h.Typeflag == tar.TypeLink:
			a.files[name] = archiveEntry{link: path.Clean("/" + h.Linkname)[1:]}
		}
	}
}

// find returns the named file of the archive, after following symbolic and hard links.
func (a *archive) find(name string) (archiveEntry, error) {
	at := name
	for range maxArchiveLinks {
		f, ok := a.files[at]
		if !ok {
			return f, &fs.PathError{Op: "open", Path: name, Err: errors.New("is not in the archive")}
		}
		if f.link == "" {
			return f, nil
		}
		at = f.link
	}
	return archiveEntry{}, &fs.PathError{Op: "open", Path: name, Err: errors.New("is a link of too many links")}
}

// Open implements [fs.FS].
func (a *archive) Open(name string) (fs.File, error) {
	f, err := a.find(name)
	if err != nil {
		return nil, err
	}
	under, err := a.open()
	if err != nil {
		return nil, err
	}
	return &archiveFile{io.NewSectionReader(under, f.offset, f.size), under}, nil
}

// archiveFile is an open file in an archive. Closing it closes the archive file.
type archiveFile struct {
	*io.SectionReader
	io.Closer
}

// Stat implements [fs.File].
func (*archiveFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }
