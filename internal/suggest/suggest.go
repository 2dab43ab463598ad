// Package suggest finds what a misspelt word may have meant.
package suggest

import (
	"strings"

	"github.com/agext/levenshtein"
)

// tooFar is the edit distance from which on two words have nothing to do with
// each other.
const tooFar = 3

// Search returns the nearest of the options, the first of several, and whether
// there is one. An option that equals the word means that the fault is
// elsewhere: then there is none. Without regard to case, the match is in the
// case of the word if that is all upper or all lower.
func Search(word string, options []string, caseSensitive bool) (string, bool) {
	fold := func(s string) string { return s }
	if !caseSensitive {
		fold = strings.ToLower
	}
	match, best := "", tooFar
	for _, o := range options {
		o = fold(o)
		if o == fold(word) {
			return "", false
		}
		if d := levenshtein.Distance(fold(word), o, nil); d < best {
			match, best = o, d
		}
	}
	if !caseSensitive && word == strings.ToUpper(word) && word != strings.ToLower(word) {
		match = strings.ToUpper(match)
	}
	return match, match != ""
}

// Hint returns " (did you mean X?)" for the nearest option, or "".
func Hint(word string, options []string, caseSensitive bool) string {
	match, ok := Search(word, options, caseSensitive)
	if !ok {
		return ""
	}
	return " (did you mean " + match + "?)"
}
