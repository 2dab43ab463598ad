package source

import (
	"bytes"
	"sort"
	"sync"
	"unsafe"
)

// File is the immutable content of a file and its name; NewFile makes one.
type File struct {
	Name  string // as the user wrote it, for messages
	Bytes []byte // the content as read; it must not change

	text  string // Bytes, so that texts need no copies
	whole origin // of texts that stand in the file as they are
	once  sync.Once
	lines []int // offset of each line's first byte
}

// NewFile returns a file with the given name and content. The content is kept,
// not copied.
func NewFile(name string, content []byte) *File {
	f := &File{Name: name, Bytes: content}
	f.text = unsafe.String(unsafe.SliceData(content), len(content)) // they never change
	f.whole.file = f
	return f
}

// Position is a place in a file as people count: both numbers start at 1,
// the column counts bytes.
type Position struct{ Line, Column int }

func (f *File) lineTable() []int {
	f.once.Do(func() {
		f.lines = make([]int, 1, 1+bytes.Count(f.Bytes, []byte{'\n'}))
		for at := 0; ; {
			i := bytes.IndexByte(f.Bytes[at:], '\n')
			if i < 0 {
				return
			}
			at += i + 1
			f.lines = append(f.lines, at)
		}
	})
	return f.lines
}

// Lines returns the number of lines; the part behind the last line end counts
// as a line even if it is empty.
func (f *File) Lines() int { return len(f.lineTable()) }

// Position returns line and column of the byte at offset, which is clamped to
// the file.
func (f *File) Position(offset int) Position {
	offset = min(max(offset, 0), len(f.Bytes))
	t := f.lineTable()
	line := sort.SearchInts(t, offset+1)
	return Position{Line: line, Column: offset - t[line-1] + 1}
}

// LineStart returns the offset of the first byte of the line, counted from 1
// and clamped to the file.
func (f *File) LineStart(line int) int {
	t := f.lineTable()
	switch {
	case line < 1:
		return 0
	case line > len(t):
		return len(f.Bytes)
	}
	return t[line-1]
}

// LineRange returns the bytes of the lines first to last, counted from 1, with
// the line end of the last one.
func (f *File) LineRange(first, last int) Range {
	return Range{File: f, Start: f.LineStart(first), End: f.LineStart(last + 1)}
}

// Line returns the text of a line, counted from 1, without its line end.
func (f *File) Line(line int) string {
	return string(bytes.TrimRight(f.Bytes[f.LineStart(line):f.LineStart(line+1)], "\r\n"))
}
