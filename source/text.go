package source

import "sort"

// Text is a string in which each byte has an offset in a file. Slices of a Text share its
// memory.
type Text struct {
	s      string
	origin *origin
	start  int // the index of s in the string that origin maps
}

// origin maps each byte of a string to its offset in a file. It is immutable.
type origin struct {
	file *File
	segs []segment // ascending in index and offset; if empty, the string is the whole file
}

// segment maps a part of a string to a file. The part starts at index in the string and
// at offset in the file.
type segment struct{ index, offset int }

// Builder assembles a Text from pieces of one file. Not safe for concurrent use.
type Builder struct {
	file       *File
	started    bool
	contiguous Range // the range of the text in the file, while segs is empty
	buf        []byte
	segs       []segment // empty while the text is contiguous in the file
}

// NewBuilder returns a Builder for text from f.
func NewBuilder(f *File) *Builder { return &Builder{file: f, contiguous: Range{File: f}} }

// Add appends a piece, the bytes [start, end) of the file, to the text. Pieces must be
// added in file order. If the first piece is empty, it sets the position of an empty
// text. Other empty pieces have no effect.
func (b *Builder) Add(start, end int) {
	end = max(start, end)
	switch {
	case !b.started:
		b.started = true
		b.contiguous.Start, b.contiguous.End = start, end
		return
	case start == end:
		return
	case len(b.segs) == 0 && b.contiguous.End == start:
		b.contiguous.End = end
		return
	case len(b.segs) == 0 && b.contiguous.Start == b.contiguous.End:
		b.contiguous.Start, b.contiguous.End = start, end
		return
	case len(b.segs) == 0:
		b.segs = []segment{{offset: b.contiguous.Start}}
		b.buf = append(b.buf, b.contiguous.String()...)
	}
	if last := b.segs[len(b.segs)-1]; last.offset+len(b.buf)-last.index != start {
		b.segs = append(b.segs, segment{index: len(b.buf), offset: start})
	}
	b.buf = append(b.buf, b.file.Bytes[start:end]...)
}

// Text returns the text assembled so far. Later calls of Add do not change it.
func (b *Builder) Text() Text {
	if len(b.segs) == 0 {
		return b.contiguous.Text()
	}
	return Text{s: string(b.buf), origin: &origin{file: b.file, segs: b.segs[:len(b.segs):len(b.segs)]}}
}

// Text returns the bytes of the range as a Text.
func (r Range) Text() Text {
	if r.File == nil {
		return Text{}
	}
	return Text{s: r.String(), origin: &r.File.wholeFile, start: r.Start}
}

// String returns the text as a string, without its positions in the file.
func (t Text) String() string { return t.s }

// Len returns the length of the text in bytes.
func (t Text) Len() int { return len(t.s) }

// IsZero reports whether t is the zero Text, which belongs to no file.
func (t Text) IsZero() bool { return t.origin == nil }

// Slice returns the bytes [i, j) of the text together with their positions.
func (t Text) Slice(i, j int) Text {
	return Text{s: t.s[i:j], origin: t.origin, start: t.start + i}
}

// Offset returns the file offset of the byte at index i of the text. If i equals Len, it
// returns the offset after the last byte. For an empty slice, this is the offset after the
// byte that precedes the slice.
func (t Text) Offset(i int) int {
	if t.origin == nil {
		return 0
	}
	at := t.start + i
	if i == len(t.s) && at > 0 {
		return t.offsetInFile(at-1) + 1
	}
	return t.offsetInFile(at)
}

// offsetInFile returns the file offset of the byte at index. The parameter index counts
// bytes from the start of the string that t.origin maps, of which t is a slice.
func (t Text) offsetInFile(index int) int {
	segs := t.origin.segs
	if len(segs) == 0 {
		return index
	}
	k := sort.Search(len(segs), func(k int) bool { return segs[k].index > index }) - 1
	k = max(k, 0)
	return segs[k].offset + index - segs[k].index
}

// File returns the file of the text, or nil if the text is zero.
func (t Text) File() *File {
	if t.origin == nil {
		return nil
	}
	return t.origin.file
}

// Range returns the smallest range in the file that contains the text. It is empty for an
// empty text.
func (t Text) Range() Range {
	start := t.Offset(0)
	end := start
	if len(t.s) > 0 {
		end = t.Offset(len(t.s)-1) + 1
	}
	return Range{File: t.File(), Start: start, End: end}
}

// TrimSpace returns the text without its leading and trailing white space. The callback space
// reports whether a byte is white space.
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
