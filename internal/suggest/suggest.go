package suggest

import (
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// most is the maximum edit distance of a suggestion.
const most = 2

// longest is the maximum length in characters of a word that is compared.
// Comparing takes quadratic time, and longer words are unlikely to be typing
// errors.
const longest = 1000

// Search returns the option nearest to word, or the first of several. ok is
// false if there is no near option, or if an option equals the word, in which
// case spelling is not the problem. If caseSensitive is false, the match is in
// upper case if the word is, and in lower case otherwise.
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

// Near is like Search, for names for which upstream has no suggestions. The
// shorter the word, the nearer a suggestion has to be. A word of one character
// has no suggestion.
func Near(word string, options []string) (string, bool) {
	match, ok := Search(word, options, true)
	if !ok || distance(word, match) > utf8.RuneCountInString(word)/2 {
		return "", false
	}
	return match, true
}

// distance returns the edit distance of two words, or any number above most if
// the distance exceeds it.
func distance(a, b string) int {
	// The library can limit the distance itself, but its result may then be
	// wrong.
	m, n := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	if m-n > most || n-m > most || m > longest {
		return most + 1
	}
	return levenshtein.Distance(a, b, nil)
}

// Hint returns " (did you mean X?)" for the result of Search, to be appended to
// an error text, or "".
func Hint(word string, options []string, caseSensitive bool) string {
	match, ok := Search(word, options, caseSensitive)
	if !ok {
		return ""
	}
	return " (did you mean " + match + "?)"
}
