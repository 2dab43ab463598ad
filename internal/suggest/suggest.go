package suggest

import (
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// most is the largest edit distance at which two words may be the same.
const most = 2

// longest is how many characters a word can have that is compared. The time
// goes with the square of it, and nobody misspells a longer one.
const longest = 1000

// Search returns the nearest of the options, the first one of several, and
// whether there is one. An option that equals the word means that the fault is
// elsewhere: then there is none. Without regard to case, the match is in upper
// case if the word is, and in lower case otherwise.
func Search(word string, options []string, caseSensitive bool) (string, bool) {
	folded := word
	if !caseSensitive {
		folded = strings.ToLower(word)
	}
	match, best := "", most+1
	for _, o := range options {
		if !caseSensitive {
			o = strings.ToLower(o)
		}
		if o == folded {
			return "", false
		}
		if d := distance(folded, o); d < best {
			match, best = o, d
		}
	}
	if !caseSensitive && word == strings.ToUpper(word) && word != folded {
		match = strings.ToUpper(match)
	}
	return match, match != ""
}

// Near is Search for names that upstream suggests nothing for: the shorter the
// word, the nearer a suggestion has to be. A word of one character has none.
func Near(word string, options []string) (string, bool) {
	match, ok := Search(word, options, true)
	if !ok || distance(word, match) > utf8.RuneCountInString(word)/2 {
		return "", false
	}
	return match, true
}

// distance returns the edit distance of two words, or something larger than
// most if that is.
func distance(a, b string) int {
	// The library can bound its search itself, but then it can be wrong.
	m, n := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	if m-n > most || n-m > most || m > longest {
		return most + 1
	}
	return levenshtein.Distance(a, b, nil)
}

// Hint returns " (did you mean X?)" for what Search finds, to be added to an
// error's text, or "".
func Hint(word string, options []string, caseSensitive bool) string {
	match, ok := Search(word, options, caseSensitive)
	if !ok {
		return ""
	}
	return " (did you mean " + match + "?)"
}
