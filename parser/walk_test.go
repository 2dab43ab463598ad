package parser

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"slipway/source"
)

// wordsFile is a Dockerfile with words of every role.
const wordsFile = `FROM --platform=p a
ENV a=b
ENV c d
ONBUILD HEALTHCHECK --x CMD ["e"]
COPY <<E f
E
RUN g
`

// TestWords checks the roles and the order of the words of each instruction, and that the
// iteration can be stopped early.
func TestWords(t *testing.T) {
	f, diags := Parse(source.NewFile("f", []byte(wordsFile)))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := []string{
		"keyword FROM, flag --platform=p, word a",
		"keyword ENV, key a, value b",
		"keyword ENV, key c, value d",
		"keyword ONBUILD, keyword HEALTHCHECK, flag --x, type CMD, element e",
		"keyword COPY, word <<E, word f, heredoc E",
		"keyword RUN, string g",
	}
	for i, in := range f.Instructions() {
		var words []string
		for role, w := range in.Words() {
			words = append(words, fmt.Sprint(role, " ", w.Value))
		}
		if got := strings.Join(words, ", "); got != want[i] {
			t.Errorf("%q, want %q", got, want[i])
		}
		// The iteration stops when yield returns false.
		for stop := range words {
			n := 0
			for range in.Words() {
				if n++; n > stop {
					break
				}
			}
			if n != stop+1 {
				t.Errorf("%d words, want a stop after %d", n, stop+1)
			}
		}
	}
	if got := Role(99).String() + Role(-1).String(); got != "unknownunknown" {
		t.Errorf("role %q", got)
	}
}

// TestWriters checks that Print and Dump return the errors of their writer.
func TestWriters(t *testing.T) {
	f, _ := Parse(source.NewFile("f", []byte(wordsFile)))
	for size := range 3 {
		if err := Print(&limitedWriter{room: size}, f); !errors.Is(err, errFull) {
			t.Errorf("Print: %v", err)
		}
	}
	if err := Dump(&limitedWriter{}, f); !errors.Is(err, errFull) {
		t.Errorf("Dump: %v", err)
	}
	var b bytes.Buffer
	if err := Print(&b, f); err != nil || b.String() != wordsFile {
		t.Errorf("%v, %q", err, b.String())
	}
}

var errFull = errors.New("full")

// limitedWriter is a writer that returns errFull after a limited number of calls.
type limitedWriter struct{ room int }

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.room--; w.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestDump checks the format of dumps for syntax that no Dockerfile of the corpus has.
func TestDump(t *testing.T) {
	f, diags := Parse(source.NewFile("f", []byte("# escape=`\n\nRUN 3<<-'E F' `\n\n x\n\ty\n\tE F\nENV a b\nFOO")))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var b bytes.Buffer
	if err := Dump(&b, f); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"escape `",
		"1:1-2:1 directive",
		`  1:3-1:9 name "escape"`,
		"  1:10-1:11 value \"`\"",
		"2:1-3:1 blank",
		"3:1-8:1 instruction RUN",
		`  3:1-5:3 line "RUN 3<<-'E F'  x"`,
		"  form string",
		`  3:1-3:4 keyword "RUN"`,
		`  3:5-5:3 string "3<<-'E F'  x"`,
		`  3:5-3:14 heredoc "E F" written "3<<-'E F'"`,
		`  6:1-7:1 body of "E F", fd 3, chomp, quoted`,
		`  7:1-8:1 end of "E F"`,
		"  4:1-5:1 gap",
		"8:1-9:1 instruction ENV",
		"  form pair",
		`  8:1-8:4 keyword "ENV"`,
		`  8:5-8:6 key "a"`,
		`  8:7-8:8 value "b"`,
		"9:1-9:4 instruction FOO",
		"  form none",
		`  9:1-9:4 keyword "FOO"`,
		"",
	}, "\n")
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
