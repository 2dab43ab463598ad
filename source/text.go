package source

import "sort"

// Text is a string that maps each of its bytes to an offset in a file. It is a
// value; slices share the segments of their parent.
type Text struct {
	s     string
	from  *origin
	start int // offset of s in the string that from describes
}

// origin maps a string to a file. It is immutable.
type origin struct {
	file *File
	segs []segment // ascending in at and in offset; if empty, the string is the whole file
}

// segment maps a part of a text to the file. The part starts at index at of the
// text, and its bytes are in the file from offset on.
type segment struct{ at, offset int }

// Builder assembles a Text from pieces of one file.
type Builder struct {
	file  *File
	begun bool
	first Range // the text, while it is contiguous in the file
	buf   []byte
	segs  []segment // empty while the text is contiguous in the file
}

// NewBuilder returns a builder for text of the file.
func NewBuilder(f *File) *Builder { return &Builder{file: f, first: Range{File: f}} }

// Add appends the file's bytes [start, end). Pieces must be added in file
// order. An empty first piece sets the position of an empty text; other empty
// pieces are ignored.
func (b *Builder) Add(start, end int) {
	end = max(start, end)
	switch {
	case !b.begun:
		b.begun = true
		b.first.Start, b.first.End = start, end
		return
	case start == end:
		return
	case len(b.segs) == 0 && b.first.End == start:
		b.first.End = end
		return
	case len(b.segs) == 0 && b.first.Start == b.first.End:
		b.first.Start, b.first.End = start, end
		return
	case len(b.segs) == 0:
		b.segs = []segment{{offset: b.first.Start}}
		b.buf = append(b.buf, b.first.String()...)
	}
	if last := b.segs[len(b.segs)-1]; last.offset+len(b.buf)-last.at != start {
		b.segs = append(b.segs, segment{at: len(b.buf), offset: start})
	}
	b.buf = append(b.buf, b.file.Bytes[start:end]...)
}

// Text returns the text assembled so far.
func (b *Builder) Text() Text {
	if len(b.segs) == 0 {
		return b.first.Text()
	}
	return Text{s: string(b.buf), from: &origin{file: b.file, segs: b.segs[:len(b.segs):len(b.segs)]}}
}

// Text returns the range's bytes as a text.
func (r Range) Text() Text {
	if r.File == nil {
		return Text{}
	}
	return Text{s: r.String(), from: &r.File.whole, start: r.Start}
}

// String returns the text.
func (t Text) String() string { return t.s }

// Len returns the length in bytes.
func (t Text) Len() int { return len(t.s) }

// IsZero reports whether the text is the zero Text, which belongs to no file.
func (t Text) IsZero() bool { return t.from == nil }

// Slice returns the bytes [i, j) of the text, with their positions.
func (t Text) Slice(i, j int) Text {
	return Text{s: t.s[i:j], from: t.from, start: t.start + i}
}

// Offset returns the file offset of byte i. i may be Len: the result is the
// offset after the last byte or, for an empty slice, after the preceding byte.
func (t Text) Offset(i int) int {
	if t.from == nil {
		return 0
	}
	at := t.start + i
	if i == len(t.s) && at > 0 {
		return t.place(at-1) + 1
	}
	return t.place(at)
}

// place returns the file offset of byte at of the string that the segments
// describe.
func (t Text) place(at int) int {
	segs := t.from.segs
	if len(segs) == 0 {
		return at
	}
	k := sort.Search(len(segs), func(k int) bool { return segs[k].at > at }) - 1
	k = max(k, 0)
	return segs[k].offset + at - segs[k].at
}

// File returns the file of the text, or nil if the text is zero.
func (t Text) File() *File {
	if t.from == nil {
		return nil
	}
	return t.from.file
}

// Range returns the smallest range of the file that contains the text. The
// range of an empty text is empty.
func (t Text) Range() Range {
	start := t.Offset(0)
	end := start
	if len(t.s) > 0 {
		end = t.Offset(len(t.s)-1) + 1
	}
	return Range{File: t.File(), Start: start, End: end}
}

// TrimSpace returns the text without leading and trailing bytes for which space
// returns true.
func (t Text) TrimSpace(space func(byte) bool) Text {
	i, j := 0, len(t.s)
	for i < j && space(t.s[i]) {
		i++
	}
	for j > i && space(t.s[j-1]) {
		j--
	}
	return t.Slice(i, j)
}
