package source

import (
	"bytes"
	"sort"
	"sync"
	"unsafe"
)

// File is the name and the immutable content of a file. It is created with NewFile. Safe
// for concurrent use.
type File struct {
	Name  string // the name for messages, as the user wrote it
	Bytes []byte // the content; must not be modified

	text      string // Bytes as a string that shares their memory
	wholeFile origin // the origin of texts that are contiguous in the file
	once      sync.Once
	lines     []int // the offset of the first byte of each line; set by lineTable
}

// NewFile returns a file with the given name and content. The file shares content, which
// must not be modified afterwards.
func NewFile(name string, content []byte) *File {
	f := &File{Name: name, Bytes: content}
	f.text = unsafe.String(unsafe.SliceData(content), len(content)) // content is immutable
	f.wholeFile.file = f
	return f
}

// Position is a position in a file. Line and Column start at 1. Column counts bytes.
type Position struct{ Line, Column int }

// lineTable returns the offset of the first byte of each line. It computes the table on
// its first call.
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

// Lines returns the number of lines. The part after the last line end counts as a line
// even if it is empty.
func (f *File) Lines() int { return len(f.lineTable()) }

// Position returns the position of the byte at offset. If offset is outside of the file,
// Position uses the nearest offset in the file.
func (f *File) Position(offset int) Position {
	offset = min(max(offset, 0), len(f.Bytes))
	t := f.lineTable()
	line := sort.SearchInts(t, offset+1)
	return Position{Line: line, Column: offset - t[line-1] + 1}
}

// LineStart returns the offset of the first byte of a line. It returns 0 for a line
// number below 1, and the length of the file for a number after the last line.
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

// LineRange returns the range of the lines first to last, including their line ends. It
// ignores line numbers outside of the file.
func (f *File) LineRange(first, last int) Range {
	return Range{File: f, Start: f.LineStart(first), End: f.LineStart(last + 1)}
}

// Line returns the text of a line without its line end.
func (f *File) Line(line int) string {
	return string(bytes.TrimRight(f.Bytes[f.LineStart(line):f.LineStart(line+1)], "\r\n"))
}
