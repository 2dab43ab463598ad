package source

// Range is a half-open interval of bytes in a file. The zero Range has no file.
type Range struct {
	File       *File
	Start, End int // byte offsets, 0 <= Start <= End <= len(File.Bytes)
}

// IsZero reports whether the range is zero.
func (r Range) IsZero() bool { return r.File == nil }

// String returns the bytes of the range.
func (r Range) String() string {
	if r.File == nil {
		return ""
	}
	return r.File.text[r.Start:r.End]
}

// Position returns the start of the range. If the range is zero, it returns the
// zero Position.
func (r Range) Position() Position {
	if r.File == nil {
		return Position{}
	}
	return r.File.Position(r.Start)
}

// Lines returns the numbers of the first and the last line that the range
// touches. A range that ends with a line end does not touch the next line. If
// the range is zero, Lines returns 0, 0.
func (r Range) Lines() (first, last int) {
	if r.File == nil {
		return 0, 0
	}
	first = r.File.Position(r.Start).Line
	if r.End <= r.Start {
		return first, first
	}
	return first, r.File.Position(r.End - 1).Line
}

// Join returns the smallest range that contains r and o, which must be in the same file.
// If one of them is zero, it returns the other.
func (r Range) Join(o Range) Range {
	if r.File == nil {
		return o
	}
	if o.File == nil {
		return r
	}
	return Range{File: r.File, Start: min(r.Start, o.Start), End: max(r.End, o.End)}
}
