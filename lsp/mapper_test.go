package lsp

import (
	"testing"
	"unicode/utf8"
)

func TestMapper(t *testing.T) {
	text := []byte("a🐳é\r\nb\rc\n\xffd")
	for _, tc := range []struct {
		encoding string
		offset   int
		want     position
	}{
		{"utf-8", 0, position{0, 0}},
		{"utf-8", 5, position{0, 5}},
		{"utf-16", 1, position{0, 1}},
		{"utf-16", 5, position{0, 3}},
		{"utf-16", 7, position{0, 4}},
		{"utf-16", 3, position{0, 1}}, // inside of the whale
		{"utf-16", 9, position{1, 0}},
		{"utf-16", 10, position{1, 1}},
		{"utf-16", 11, position{2, 0}},
		{"utf-16", 13, position{3, 0}},
		{"utf-16", 14, position{3, 1}},
		{"utf-16", 99, position{3, 2}},
		{"utf-16", -1, position{0, 0}},
	} {
		if got := newMapper(text, tc.encoding).position(tc.offset); got != tc.want {
			t.Errorf("%s: offset %d is %v, want %v", tc.encoding, tc.offset, got, tc.want)
		}
	}
	for _, tc := range []struct {
		at   position
		want int
	}{
		{position{0, 3}, 5},
		{position{0, 2}, 1}, // inside of the whale
		{position{0, 99}, 7},
		{position{1, 99}, 10},
		{position{3, 0}, 13},
		{position{9, 9}, 15},
		{position{-1, 0}, 0},
		{position{0, -1}, 0},
	} {
		if got := newMapper(text, "utf-16").offset(tc.at); got != tc.want {
			t.Errorf("%v is offset %d, want %d", tc.at, got, tc.want)
		}
	}
}

// FuzzMapper checks that positions of characters are converted back to their offsets.
func FuzzMapper(f *testing.F) {
	f.Add([]byte("a🐳é\r\nb\rc\n\xffd"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, encoding := range []string{"utf-8", "utf-16"} {
			m := newMapper(text, encoding)
			for at := 0; at < len(text); {
				inLineEnd := at > 0 && text[at] == '\n' && text[at-1] == '\r'
				if got := m.offset(m.position(at)); got != at && !inLineEnd {
					t.Fatalf("%s: offset %d of %q becomes %d", encoding, at, text, got)
				}
				_, size := utf8.DecodeRune(text[at:])
				at += size
			}
		}
	})
}
