package source

import (
	"strings"
	"testing"
)

// TestFilePosition checks the line and the column that Position returns for offsets in a
// file.
func TestFilePosition(t *testing.T) {
	f := NewFile("f", []byte("ab\n\nçd\r\ne"))
	for _, tc := range []struct {
		offset int
		want   Position
	}{
		{-1, Position{1, 1}},
		{0, Position{1, 1}},
		{2, Position{1, 3}}, // the line end belongs to its line
		{3, Position{2, 1}},
		{4, Position{3, 1}},
		{6, Position{3, 3}}, // columns count bytes
		{8, Position{3, 5}},
		{9, Position{4, 1}},
		{10, Position{4, 2}}, // after the last byte
		{99, Position{4, 2}},
	} {
		if got := f.Position(tc.offset); got != tc.want {
			t.Errorf("Position(%d) = %v, want %v", tc.offset, got, tc.want)
		}
	}
}

// TestFileLines checks how files with different line ends are split into lines.
func TestFileLines(t *testing.T) {
	for _, tc := range []struct {
		content string
		lines   []string
	}{
		{"", []string{""}},
		{"\n", []string{"", ""}},
		{"a", []string{"a"}},
		{"a\nb", []string{"a", "b"}},
		{"a\r\nb\n", []string{"a", "b", ""}},
		{"a\rb\r\r\n\n", []string{"a\rb", "", ""}},
	} {
		f := NewFile("f", []byte(tc.content))
		if got := f.Lines(); got != len(tc.lines) {
			t.Errorf("%q: Lines() = %d, want %d", tc.content, got, len(tc.lines))
			continue
		}
		for i, want := range tc.lines {
			if got := f.Line(i + 1); got != want {
				t.Errorf("%q: Line(%d) = %q, want %q", tc.content, i+1, got, want)
			}
		}
		if got := f.Line(0) + f.Line(len(tc.lines)+1); got != "" {
			t.Errorf("%q: text %q for lines that do not exist", tc.content, got)
		}
		if got := f.LineRange(1, f.Lines()); got.String() != tc.content {
			t.Errorf("%q: all lines together are %q", tc.content, got)
		}
	}
}

// TestLineRange checks the ranges that LineRange returns, also for lines outside of the
// file.
func TestLineRange(t *testing.T) {
	f := NewFile("f", []byte("one\ntwo\r\nthree"))
	for _, tc := range []struct {
		first, last int
		want        string
	}{
		{1, 1, "one\n"},
		{2, 2, "two\r\n"},
		{2, 3, "two\r\nthree"},
		{3, 99, "three"},
		{0, 1, "one\n"},
		{4, 5, ""},
	} {
		if got := f.LineRange(tc.first, tc.last).String(); got != tc.want {
			t.Errorf("LineRange(%d, %d) = %q, want %q", tc.first, tc.last, got, tc.want)
		}
	}
}

// TestRangeLines checks the numbers of the first and the last line that Range.Lines
// returns.
func TestRangeLines(t *testing.T) {
	f := NewFile("f", []byte("one\ntwo\nthree"))
	for _, tc := range []struct {
		r           Range
		first, last int
	}{
		{Range{}, 0, 0},
		{Range{f, 0, 0}, 1, 1},
		{Range{f, 0, 4}, 1, 1}, // ends with the line end
		{Range{f, 0, 5}, 1, 2},
		{Range{f, 4, 4}, 2, 2},
		{Range{f, 3, 13}, 1, 3},
		{Range{f, 13, 13}, 3, 3},
	} {
		if first, last := tc.r.Lines(); first != tc.first || last != tc.last {
			t.Errorf("[%d, %d).Lines() = %d, %d, want %d, %d", tc.r.Start, tc.r.End, first, last, tc.first, tc.last)
		}
	}
}

// TestRangeJoin checks that Join returns the smallest range that contains both ranges, and
// checks the methods of the zero Range.
func TestRangeJoin(t *testing.T) {
	f := NewFile("f", []byte("0123456789"))
	a, b := Range{f, 2, 4}, Range{f, 7, 8}
	for _, tc := range []struct{ x, y, want Range }{
		{a, b, Range{f, 2, 8}},
		{b, a, Range{f, 2, 8}},
		{a, Range{}, a},
		{Range{}, b, b},
		{Range{}, Range{}, Range{}},
		{Range{f, 0, 9}, a, Range{f, 0, 9}},
	} {
		if got := tc.x.Join(tc.y); got != tc.want {
			t.Errorf("%v.Join(%v) = %v, want %v", tc.x, tc.y, got, tc.want)
		}
	}
	if !(Range{}).IsZero() || a.IsZero() {
		t.Error("IsZero returns the wrong result")
	}
	if got := (Range{}).Position(); got != (Position{}) {
		t.Errorf("the zero Range is at %v", got)
	}
	if got := b.Position(); got != (Position{1, 8}) {
		t.Errorf("Position() = %v", got)
	}
}

// TestText checks the positions of slices in a text whose pieces are not adjacent in the
// file.
func TestText(t *testing.T) {
	f := NewFile("f", []byte("RUN echo \\\n# c\n  foo\n"))
	b := NewBuilder(f)
	b.Add(0, 9)
	b.Add(9, 9) // empty
	b.Add(15, 20)
	line := b.Text()
	if line.String() != "RUN echo   foo" {
		t.Fatalf("text %q", line)
	}
	for _, tc := range []struct {
		i, j       int
		start, end int
	}{
		{0, 3, 0, 3},
		{4, 14, 4, 20}, // across the gap
		{11, 14, 17, 20},
		{0, 9, 0, 9}, // ends before the gap, not after it
		{9, 9, 9, 9}, // after the preceding byte
		{14, 14, 20, 20},
		{0, 0, 0, 0},
	} {
		got := line.Slice(tc.i, tc.j).Range()
		if got.Start != tc.start || got.End != tc.end {
			t.Errorf("Slice(%d, %d) is at [%d, %d), want [%d, %d)", tc.i, tc.j, got.Start, got.End, tc.start, tc.end)
		}
	}
	b = NewBuilder(f)
	b.Add(9, 9)
	if r := b.Text().Range(); r != (Range{f, 9, 9}) || b.Text().IsZero() {
		t.Errorf("the empty text at 9 has the range %v", r)
	}
	b.Add(15, 20)
	if r := b.Text().Range(); r != (Range{f, 15, 20}) {
		t.Errorf("with the following text it has the range %v", r)
	}
	if got := line.Slice(4, 14).TrimSpace(func(c byte) bool { return c == 'o' || c == 'e' }).String(); got != "cho   f" {
		t.Errorf("trimmed %q", got)
	}
	if got := line.Slice(0, 3).TrimSpace(func(byte) bool { return true }).Len(); got != 0 {
		t.Errorf("%d bytes left of nothing but space", got)
	}
	if !(Text{}).IsZero() || line.IsZero() || line.File() != f {
		t.Error("IsZero or File is wrong")
	}
	if r := (Text{}).Range(); !r.IsZero() || !(Range{}).Text().IsZero() {
		t.Error("the zero Text has a range")
	}
	if got := (Range{f, 4, 8}).Text().Slice(2, 4).Range(); got != (Range{f, 6, 8}) {
		t.Errorf("slice of a range's text at %v", got)
	}
}

// TestTextAfterAdd checks that a Text does not change when its Builder adds further
// pieces.
func TestTextAfterAdd(t *testing.T) {
	f := NewFile("f", []byte(strings.Repeat("0123456789", 10)))
	b := NewBuilder(f)
	b.Add(0, 3)
	first := b.Text()
	b.Add(50, 60)
	if second := b.Text(); first.String() != "012" || second.String() != "0120123456789" {
		t.Errorf("%q, then %q", first, second)
	}
	if got := first.Offset(3); got != 3 {
		t.Errorf("the first text ends at %d", got)
	}
}

// FuzzText assembles a text from pieces of a file. It checks that every byte of every slice
// equals the byte at its offset in the file. Each byte of the fuzz argument cuts is the length
// of a piece, and every second piece is used.
func FuzzText(f *testing.F) {
	f.Add([]byte("RUN a \\\n  b\n"), []byte{6, 2, 3}, uint8(1), uint8(5))
	f.Add([]byte("0123456789"), []byte{0, 3, 2, 1, 1, 0, 1}, uint8(0), uint8(2))
	f.Add([]byte("\r\n\r\n"), []byte{1, 1, 1, 1}, uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, content, cuts []byte, from, to uint8) {
		file := NewFile("f", content)
		b := NewBuilder(file)
		var want []byte
		pos := 0
		for i, n := range cuts {
			end := min(pos+int(n), len(content))
			if i%2 == 0 {
				b.Add(pos, end)
				want = append(want, content[pos:end]...)
			}
			pos = end
		}
		text := b.Text()
		if text.String() != string(want) || text.Len() != len(want) {
			t.Fatalf("text %q, want %q", text, want)
		}
		checkSlice(t, text, string(want))
		i := min(int(from), len(want))
		j := min(max(int(to), i), len(want))
		s := text.Slice(i, j)
		checkSlice(t, s, string(want[i:j]))
		k := s.Len() / 2
		checkSlice(t, s.Slice(k, s.Len()), string(want[i+k:j]))
		checkSlice(t, s.Slice(0, k), string(want[i:i+k]))
	})
}

// checkSlice checks that s equals want, and that the offsets of the bytes of s are
// ascending.
func checkSlice(t *testing.T, s Text, want string) {
	t.Helper()
	if s.String() != want {
		t.Fatalf("slice %q, want %q", s, want)
	}
	content := s.File().Bytes
	last := -1
	for i := range s.Len() {
		at := s.Offset(i)
		if at <= last || at >= len(content) || content[at] != want[i] {
			t.Fatalf("byte %d of %q at %d, after %d", i, want, at, last)
		}
		last = at
	}
	r := s.Range()
	switch {
	case r.Start < 0 || r.End > len(content) || r.End < r.Start:
		t.Fatalf("range [%d, %d) of %d bytes", r.Start, r.End, len(content))
	case want == "" && r.Start != r.End:
		t.Fatalf("empty text at [%d, %d)", r.Start, r.End)
	case want != "" && (r.Start != s.Offset(0) || r.End != last+1 || s.Offset(s.Len()) != r.End):
		t.Fatalf("range [%d, %d) of %q", r.Start, r.End, want)
	}
}
