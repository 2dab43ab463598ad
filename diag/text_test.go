package diag

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/source"
)

// sample is a Dockerfile for the diagnostics in TestText.
const sample = "FROM alpine AS build\n" +
	"\n" +
	"RUN apk add \\\n" +
	"    gcc \\\n" +
	"\n" +
	"    make\n" +
	"COPY --form=build /a /b\r\n" +
	"\tWORKDIR\tx\n"

// at returns the range of the nth occurrence of a text in f, counted from 0.
func at(f *source.File, text string, nth int) source.Range {
	pos := 0
	for {
		i := bytes.Index(f.Bytes[pos:], []byte(text))
		if i < 0 {
			panic(fmt.Sprintf("no %q in %s", text, f.Name))
		}
		pos += i
		if nth == 0 {
			return source.Range{File: f, Start: pos, End: pos + len(text)}
		}
		nth--
		pos++
	}
}

// golden compares a text with a file in testdata. UPDATE=1 rewrites the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got, UPDATE=1 go test rewrites it):\n%s", path, diff)
	}
}

// TestText compares the text of diagnostics with golden files.
func TestText(t *testing.T) {
	f := source.NewFile("Dockerfile", []byte(sample))
	long := source.NewFile("long", []byte("RUN "+strings.Repeat("0123456789", 30)+" HERE "+strings.Repeat("abcdefghij", 30)+"\n"))
	wide := source.NewFile("wide", []byte("RUN 日本語 e\u0301t\u00a0x <-\nRUN a\x00b\x1b[31mc\x7f \xff\u202e\u200b <-\n\ta\tb\tc <-\n"))
	mark := source.NewFile("mark", []byte("\ufeffFROM x\n"))
	many := source.NewFile("many", []byte("RUN <<EOF\n"+strings.Repeat("body\n", 120)+"EOF\n"))
	for _, tc := range []struct {
		name string
		list List
		opt  TextOptions
	}{
		{name: "simple", list: List{Errorf(at(f, "--form", 0), "unknown flag: --form")}},
		{name: "nowhere", list: List{{Message: "no file"}, {Severity: Warning, Code: "Rule", Message: "no place"}}},
		{name: "context", list: List{Errorf(at(f, "gcc", 0), "a word").In(at(f, "RUN apk add \\\n    gcc \\\n\n    make\n", 0))}},
		{name: "hint", list: List{
			Errorf(at(f, "gcc", 0), "a problem").Hinted("do %s", "this").Note(at(f, "make", 0), "because of %s", "that").Note(source.Range{}, "nowhere"),
			{Severity: Note, Message: "a note", Range: at(f, "make", 0)},
		}},
		{name: "mark", list: List{Errorf(at(mark, "FROM", 0), "behind a byte order mark"), Errorf(source.Range{File: mark}, "the mark itself")}},
		{name: "lines", list: List{Errorf(at(f, "apk add \\\n    gcc \\\n\n    make\n", 0), "several lines")}},
		{name: "tab", list: List{Errorf(at(f, "x\n", 0), "behind tabs"), Errorf(at(f, "\tx", 0), "a tab")}},
		{name: "ends", list: List{
			Errorf(at(f, "\r\n", 0), "a line end"),
			Errorf(source.Range{File: f, Start: len(sample), End: len(sample)}, "the end of the file"),
			Errorf(source.Range{File: f}, "the start of the file"),
			Errorf(source.Range{File: f, Start: 25, End: 25}, "no byte"),
			Errorf(source.Range{File: source.NewFile("empty", nil)}, "an empty file"),
		}},
		{name: "all", list: List{{
			Severity: Warning, Code: "StageName", Message: "a warning", Range: at(f, "build", 1),
			Related: []Related{{Range: at(f, "build", 0), Message: "the stage"}, {Range: at(f, "WORKDIR", 0)}},
			Detail:  "why it matters", URL: "https://example.com/rule",
			Fixes: []Fix{{Title: "do it right", Edits: []Edit{{at(f, "build", 1), "base"}}}},
		}}},
		{name: "long", opt: TextOptions{Width: 60}, list: List{
			Errorf(at(long, "RUN", 0), "at the beginning"),
			Errorf(at(long, "HERE", 0), "in the middle"),
			Errorf(at(long, "ij\n", 0), "at the end"),
			Errorf(source.Range{File: long, Start: 4, End: 600}, "too long itself"),
		}},
		{name: "wide", list: List{
			Errorf(at(wide, "<-", 0), "wide\trunes\n\x1b[0m"),
			Errorf(at(wide, "本", 0), "one of them"),
			Errorf(at(wide, "t\u00a0", 0), "behind a combining mark"),
			Errorf(at(wide, "\u0301", 0), "a combining mark"),
			Errorf(at(wide, "<-", 1), "controls"),
			Errorf(at(wide, "\x1b[31m", 0), "an escape sequence"),
			Errorf(at(wide, "<-", 2), "tabs"),
		}},
		{name: "many", list: List{Errorf(at(many, "<<EOF", 0), "a big context").In(source.Range{File: many, End: len(many.Bytes)})}},
		{name: "many_lines", list: List{Errorf(source.Range{File: many, End: len(many.Bytes)}, "a big range")}},
		{name: "color", opt: TextOptions{Color: true}, list: List{{
			Severity: Warning, Code: "Rule", Message: "in colour", Range: at(f, "make", 0), Context: at(f, "    make\n", 0),
			Related: []Related{{Range: at(f, "gcc", 0), Message: "and here"}}, Detail: "why",
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, tc.list, tc.opt); err != nil {
				t.Fatal(err)
			}
			golden(t, tc.name+".txt", b.Bytes())
		})
	}
}

// TestTextWidth checks that no line exceeds the width, that the marked byte is always
// visible, and that huge lines are rendered quickly.
func TestTextWidth(t *testing.T) {
	line := strings.Repeat("é\t日\x00 ", 200_000)
	f := source.NewFile("f", []byte(line+"\n"+line))
	for start := 0; start < len(line); start += 99_991 {
		var b bytes.Buffer
		r := source.Range{File: f, Start: start, End: min(start+7, len(line))}
		if err := Text(&b, List{Errorf(r, "x")}, TextOptions{Width: 40}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		if len(lines) != 4 || !strings.Contains(lines[2], "^") {
			t.Fatalf("at %d:\n%s", start, b.String())
		}
		for _, l := range lines[1:] {
			if n := totalWidth(cells(l)); n > 47 {
				t.Errorf("at %d: %d columns: %q", start, n, l)
			}
		}
	}
}

// TestTextError checks that Text returns errors from the writer.
func TestTextError(t *testing.T) {
	if err := Text(failingWriter{}, List{{Message: "x"}}, TextOptions{}); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

var errFull = errors.New("full")

// failingWriter is a writer that always fails.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

// FuzzText checks that, for any file and range, the output of Text contains only line
// ends, carets and printable characters.
func FuzzText(f *testing.F) {
	f.Add([]byte(sample), 3, 9, 0, 30, 20, 3)
	f.Add([]byte("a\x1b[31m\xff\u202e\tb"), 1, 4, 0, 0, 10, 1)
	f.Add([]byte("\n\n\n"), 1, 2, 0, 3, 1, 1)
	f.Fuzz(func(t *testing.T, content []byte, a, b, c, d, width, lines int) {
		file := source.NewFile("f", content)
		clamp := func(x, y int) source.Range {
			x = min(max(x, 0), len(content))
			y = min(max(y, x), len(content))
			return source.Range{File: file, Start: x, End: y}
		}
		diag := &Diagnostic{Message: string(content), Range: clamp(a, b), Context: clamp(c, d)}
		var out bytes.Buffer
		if err := Text(&out, List{diag}, TextOptions{Width: width % 300, Lines: lines % 20}); err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(out.String(), "\n") {
			if l != escapeText(l) {
				t.Fatalf("raw %q", l)
			}
		}
	})
}

// TestLine checks that Line replaces tabs with spaces and spells out unprintable
// characters.
func TestLine(t *testing.T) {
	if got, want := Line("a\tb\x1b[1m\xff\r"), "a       b␛[1m<FF>␍"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestBlock checks that Block converts text to printable form and preserves the line
// ends.
func TestBlock(t *testing.T) {
	if got, want := Block("a\x1b\n\n\tb\r\n"), "a␛\n\n        b␍\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
