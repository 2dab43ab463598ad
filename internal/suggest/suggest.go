package suggest

import (
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// maxDistance is the maximum edit distance between a word and its suggestion.
const maxDistance = 2

// maxLength is the maximum length in characters of a word that gets a suggestion. Comparing
// takes quadratic time, and longer words are unlikely to be typing errors.
const maxLength = 1000

// Search returns the option with the smallest edit distance to word. If several options have
// the same distance, it returns the first of them. It returns false if no option is near, or if
// an option equals word, which means that the spelling is not the problem.
//
// If caseSensitive is false, Search ignores case. It then returns the option in upper case if
// word is in upper case, otherwise in lower case.
func Search(word string, options []string, caseSensitive bool) (string, bool) {
	folded := word
	if !caseSensitive {
		folded = strings.ToLower(word)
	}
	match, best := "", maxDistance+1
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

// Near is like [Search] with caseSensitive set, but stricter for short words: the distance must
// be at most half the length of word. Callers use Near where upstream makes no suggestions.
func Near(word string, options []string) (string, bool) {
	match, ok := Search(word, options, true)
	if !ok || distance(word, match) > utf8.RuneCountInString(word)/2 {
		return "", false
	}
	return match, true
}

// distance returns the edit distance between two words. If the edit distance exceeds
// maxDistance, it returns any number above maxDistance.
func distance(a, b string) int {
	// Compare the lengths here: with the library's own limit, the result may be wrong.
	m, n := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	if m-n > maxDistance || n-m > maxDistance || m > maxLength {
		return maxDistance + 1
	}
	return levenshtein.Distance(a, b, nil)
}

// Hint returns the text " (did you mean X?)" if Search finds an option X for word. If it finds
// none, Hint returns "". Callers append the text to an error.
func Hint(word string, options []string, caseSensitive bool) string {
	match, ok := Search(word, options, caseSensitive)
	if !ok {
		return ""
	}
	return " (did you mean " + match + "?)"
}
