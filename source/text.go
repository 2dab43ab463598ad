package source

import "sort"

// Text is a string that remembers where each of its bytes came from. It is a
// value; slices share the parent's segments.
type Text struct {
	s     string
	from  *origin
	start int // where s begins in the string that from describes
}

// origin says where a string came from. It never changes.
type origin struct {
	file *File
	segs []segment // ascending in at and in offset; none: the string is the file
}

// segment says that the text from at on stands in the file from offset on, up
// to the next segment.
type segment struct{ at, offset int }

// Builder assembles a Text from pieces of one file.
type Builder struct {
	file  *File
	begun bool
	first Range // the text as long as it is one piece
	buf   []byte
	segs  []segment // empty as long as it is one piece
}

// NewBuilder returns a builder for text of the file.
func NewBuilder(f *File) *Builder { return &Builder{file: f, first: Range{File: f}} }

// Add appends the file's bytes [start, end). Pieces must be added in file
// order. An empty piece only tells where the text begins, if it comes first.
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

// Text returns what was added so far.
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

// IsZero tells whether the text is empty and belongs to no file.
func (t Text) IsZero() bool { return t.from == nil }

// Slice returns the part [i, j) of the text, with its places.
func (t Text) Slice(i, j int) Text {
	return Text{s: t.s[i:j], from: t.from, start: t.start + i}
}

// Offset returns where in the file byte i stands; i may be Len, which is
// behind the last byte, and of an empty slice behind the byte before it.
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

// place returns where byte at of the string that the segments describe stands.
func (t Text) place(at int) int {
	segs := t.from.segs
	if len(segs) == 0 {
		return at
	}
	k := sort.Search(len(segs), func(k int) bool { return segs[k].at > at }) - 1
	k = max(k, 0)
	return segs[k].offset + at - segs[k].at
}

// File returns the file that the text is from; nil for the zero Text.
func (t Text) File() *File {
	if t.from == nil {
		return nil
	}
	return t.from.file
}

// Range returns the smallest range of the file that holds the text. The range
// of an empty text is empty.
func (t Text) Range() Range {
	start := t.Offset(0)
	end := start
	if len(t.s) > 0 {
		end = t.Offset(len(t.s)-1) + 1
	}
	return Range{File: t.File(), Start: start, End: end}
}

// TrimSpace returns the part of the text without leading and trailing bytes
// for which space is true.
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
