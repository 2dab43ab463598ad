package tree

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
)

// minHole is the minimum length in bytes of a run of zeros that becomes a hole. Runs start and
// end at multiples of this length. The blocks of most file systems are not larger.
const minHole = 32 << 10

// sparseWriter writes a new file. It skips long runs of zeros, which leaves holes in the
// file. The caller must call end after the last write.
type sparseWriter struct {
	f     *os.File
	holes bool // something was skipped, so the file may have to end with a hole
}

// Write implements [io.Writer].
func (s *sparseWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		rest := p[done:]
		zeros := zeroPrefix(rest)
		if zeros == 0 {
			n, err := s.f.Write(rest[:dataPrefix(rest)])
			if done += n; err != nil {
				return done, err
			}
			continue
		}
		s.holes = true
		if _, err := s.f.Seek(int64(zeros), io.SeekCurrent); err != nil {
			return done, err
		}
		done += zeros
	}
	return done, nil
}

// zeroPrefix returns the number of zeros at the start of p, in bytes, rounded down to a
// multiple of [minHole].
func zeroPrefix(p []byte) int {
	n := 0
	for len(p)-n >= minHole && isZero(p[n:n+minHole]) {
		n += minHole
	}
	return n
}

// dataPrefix returns the number of bytes of p before the next hole. p must not begin with a
// hole.
func dataPrefix(p []byte) int {
	for n := minHole; len(p)-n >= minHole; n += minHole {
		if isZero(p[n : n+minHole]) {
			return n
		}
	}
	return len(p)
}

// isZero reports whether all bytes of p are zero. p must not be empty.
func isZero(p []byte) bool { return p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }

// end sets the size of the file. This is needed because zeros at the end were skipped instead
// of written.
func (s *sparseWriter) end(size int64) error {
	if !s.holes {
		return nil
	}
	return s.f.Truncate(size)
}

// sparseReader reads a sparse file from its start. It returns zeros for holes without
// reading them, because the system takes longer to read a hole than to hash it.
type sparseReader struct {
	f          *os.File
	at, size   int64 // current offset; size of the file
	data, hole int64 // offsets of the next data and of the hole after it
}

// content returns a reader for the content of an open file. If the file is sparse, the
// reader is a [sparseReader].
func content(f *os.File) (io.Reader, error) {
	info, err := f.Stat()
	if err != nil || sizeOnDisk(info) >= info.Size() {
		return f, err
	}
	return &sparseReader{f: f, size: info.Size()}, nil
}

// Read implements [io.Reader].
func (r *sparseReader) Read(p []byte) (n int, err error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if r.at >= r.hole {
		if r.data, r.hole, err = dataIn(r.f, r.at, r.size); err != nil {
			return 0, err
		}
	}
	if r.at < r.data {
		p = p[:min(int64(len(p)), r.data-r.at)]
		clear(p)
		r.at += int64(len(p))
		return len(p), nil
	}
	n, err = r.f.ReadAt(p[:min(int64(len(p)), r.hole-r.at)], r.at)
	r.at += int64(n)
	if n > 0 {
		return n, nil // the next call reports the error again
	}
	return n, err
}

// copyChunk is the number of bytes that are copied between two checks of the context.
const copyChunk = 64 << 20

// copyFile copies the content of src to the new file dst. Holes remain holes. If ctx
// ends, it returns context.Cause(ctx).
func copyFile(ctx context.Context, dst, src *os.File) error {
	info, err := src.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if sizeOnDisk(info) >= size {
		return copyPart(ctx, dst, src, size)
	}
	for at := int64(0); at < size; {
		data, hole, err := dataIn(src, at, size)
		if err != nil {
			return err
		}
		_, srcErr := src.Seek(data, io.SeekStart)
		_, dstErr := dst.Seek(data, io.SeekStart)
		if err := errors.Join(srcErr, dstErr, copyPart(ctx, dst, src, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	return dst.Truncate(size) // the file may end with a hole
}

// copyPart copies the next n bytes from src to dst. If ctx ends, it returns
// context.Cause(ctx).
func copyPart(ctx context.Context, dst, src *os.File, n int64) error {
	for n > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// The kernel copies between files directly. A wrapped reader would prevent
		// that.
		done, err := io.CopyN(dst, src, min(copyChunk, n))
		if err != nil {
			return err
		}
		n -= done
	}
	return nil
}
