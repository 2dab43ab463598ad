package oneline

import (
	"strings"
	"testing"
)

func TestExcerpt(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"denied":                             "denied",
		" not\r\n\tfound \x1b[31m\x00":       "not found [31m",
		"\n<!DOCTYPE html><html>no</html>":   "",
		"a\xffb":                             "a\uFFFDb",
		strings.Repeat("ab ", 100):           strings.Repeat("ab ", 66) + "ab…",
		strings.Repeat("é", 101) + " beyond": strings.Repeat("é", 100) + "…",
	} {
		if got := Excerpt(text); got != want {
			t.Errorf("Excerpt(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestName(t *testing.T) {
	for n, want := range map[int]string{0: "", 1000: strings.Repeat("x", 1000), 1001: strings.Repeat("x", 1000) + "…"} {
		if got := Name(strings.Repeat("x", n)); got != want {
			t.Errorf("Name of %d bytes has %d, want %d", n, len(got), len(want))
		}
	}
}
