package suggest_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/agext/levenshtein"

	"slipway/internal/suggest"
)

func TestSearch(t *testing.T) {
	for _, tc := range []struct {
		name, word, options string // options are separated by spaces
		caseSensitive       bool
		want                string
	}{
		{"near", "RUm", "ADD COPY RUN", false, "run"},
		{"upper", "RUM", "add copy run", false, "RUN"},
		{"lower", "rum", "ADD COPY RUN", false, "run"},
		{"no letters", "12", "123", false, "123"},
		{"equal", "run", "ran RUN", false, ""},
		{"equal comes last", "run", "ran rub RUN", false, ""},
		{"equal but for case", "run", "RUN", true, ""},
		{"case counts", "rUn", "RUn run", true, "RUn"},
		{"two off", "moutn", "mount", true, "mount"},
		{"three off", "abcdef", "abcxyz", true, ""},
		{"nearest", "fromm", "form from", true, "from"},
		{"first of equals", "bar", "baz bat car", true, "baz"},
		{"first of equals, otherwise", "bar", "car bat baz", true, "car"},
		{"short words", "x", "a bc", true, "a"},
		{"characters, not bytes", "日本語", "日x語", true, "日x語"},
		{"no options", "run", "", true, ""},
		{"nothing near", "entrypoint", "run copy", false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := suggest.Search(tc.word, strings.Fields(tc.options), tc.caseSensitive)
			if got != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q, %t, want %q", got, ok, tc.want)
			}
			hint := ""
			if tc.want != "" {
				hint = " (did you mean " + tc.want + "?)"
			}
			if got := suggest.Hint(tc.word, strings.Fields(tc.options), tc.caseSensitive); got != hint {
				t.Errorf("hint %q, want %q", got, hint)
			}
		})
	}
}

func TestNear(t *testing.T) {
	for _, tc := range []struct{ word, options, want string }{
		{">", "a b", ""},
		{"a", "ab", ""},
		{"aa", "a", "a"},
		{"ab", "cd", ""},
		{"abc", "axy", ""},
		{"abc", "abx", "abx"},
		{"main", "mian", "mian"},
		{"日本", "日x", "日x"},
		{"abcdef", "abcxyz", ""},
		{"run", "ran run", ""},
	} {
		if got, ok := suggest.Near(tc.word, strings.Fields(tc.options)); got != tc.want || ok != (tc.want != "") {
			t.Errorf("%q of %q: got %q, %t, want %q", tc.word, tc.options, got, ok, tc.want)
		}
	}
}

// TestEmpty checks the suggestions for words and options that are empty or short. The edit
// distance between such words is always small, which must not lead to wrong suggestions.
func TestEmpty(t *testing.T) {
	for _, tc := range []struct {
		word    string
		options []string
		want    string
	}{
		{"", []string{"ab"}, "ab"},
		{"", []string{"abc"}, ""},
		{"", []string{""}, ""},
		// Upstream: the nearest option may be empty, and then there is no suggestion.
		{"ab", []string{"", "cd"}, ""},
		{"ab", []string{"", "ac"}, "ac"},
	} {
		if got, _ := suggest.Search(tc.word, tc.options, true); got != tc.want {
			t.Errorf("%q of %q: got %q, want %q", tc.word, tc.options, got, tc.want)
		}
	}
}

func TestLong(t *testing.T) {
	long := strings.Repeat("a", 998)
	if got, _ := suggest.Search(long+"bc", []string{"x", long + "cd"}, true); got != long+"cd" {
		t.Errorf("1000 characters: got %d bytes", len(got))
	}
	long = strings.Repeat("ab", 1<<20)
	if got, ok := suggest.Search(long+"a", []string{long, "x" + long + "y"}, true); ok {
		t.Errorf("2 MiB: got %d bytes", len(got))
	}
}

// FuzzSearch checks that Search returns the nearest option, or false if no option is near.
func FuzzSearch(f *testing.F) {
	f.Add("dokcer", "docker", "decker")
	f.Add("ab", "ba", "")
	f.Add("日本", "本日", "\xff")
	f.Fuzz(func(t *testing.T, word, a, b string) {
		if max(len(word), len(a), len(b)) > 1000 {
			return
		}
		da, db := levenshtein.Distance(word, a, nil), levenshtein.Distance(word, b, nil)
		want := ""
		switch {
		case word == a || word == b:
		case da < 3 && da <= db:
			want = a
		case db < 3:
			want = b
		}
		got, ok := suggest.Search(word, []string{a, b}, true)
		if got != want || ok != (want != "") {
			t.Errorf("got %q, %t, want %q (distances %d and %d)", got, ok, want, da, db)
		}
		if folded, _ := suggest.Search(word, []string{a, b}, false); utf8.ValidString(a+b) && !utf8.ValidString(folded) {
			t.Errorf("case-insensitive: %q", folded)
		}
	})
}
