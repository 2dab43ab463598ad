package parser

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"slipway/source"
)

// typographicQuotes are the quotation marks that word processors substitute for " and '.
const typographicQuotes = "“”„‟«»‘’‚‛"

// NearJSON describes the first mistake in arguments that look like a JSON array of strings but
// are invalid. Upstream reads such arguments as a command line or as words.
type NearJSON struct {
	Range  source.Range
	Reason string // such as "strings take double quotes, not single quotes"
}

// NearJSON returns the first mistake in arguments that look like a JSON array but are invalid.
// For ONBUILD, it checks the arguments of the instruction after ONBUILD. For all other
// arguments, it returns nil.
func (n *Instruction) NearJSON() *NearJSON {
	switch a := n.Args.(type) {
	case *Sub:
		return a.Instruction.NearJSON()
	case *Typed:
		if raw, ok := a.Args.(*Raw); ok {
			return nearJSON(trim(raw.Word.Text), false)
		}
		return nil
	case *JSON:
		return nil
	}
	switch formOf(n.Keyword.String()) {
	case formCommand:
		return nearJSON(n.Rest, false)
	case formList:
		return nearJSON(n.Rest, true)
	}
	return nil
}

// nearJSON returns the first mistake in t if t looks like a JSON array but is invalid.
// Otherwise, it returns nil. The parameter list is true if the arguments of the instruction are
// a list of words, as for COPY.
func nearJSON(t source.Text, list bool) *NearJSON {
	s := t.String()
	if !looksLikeJSON(s, list) {
		return nil
	}
	start, end, reason := jsonMistake(s)
	if reason == "" {
		return nil
	}
	return &NearJSON{Range: t.Slice(start, end).Range(), Reason: reason}
}

// commaInArray matches the end of a string in an array and the following comma, for any
// kind of quotes.
var commaInArray = regexp.MustCompile(`["'` + typographicQuotes + `]\s*,`)

// looksLikeJSON reports whether s looks like a JSON array, unlike a pattern such as [ab]*. If
// list is false, the arguments of the instruction are a command line. The shell command [, as
// in [ "$a" = "b" ], then does not look like an array.
func looksLikeJSON(s string, list bool) bool {
	body, ok := strings.CutPrefix(s, "[")
	if !ok {
		return false
	}
	inner := strings.TrimLeftFunc(body, unicode.IsSpace)
	first, _ := utf8.DecodeRuneInString(inner)
	if !strings.ContainsRune(`"'`+typographicQuotes, first) {
		return !strings.HasPrefix(body, "[") && strings.HasSuffix(s, "]") && strings.Contains(s, ",") && (len(inner) == len(body) || commaInArray.MatchString(s))
	}
	return list || len(inner) == len(body) || commaInArray.MatchString(s)
}

// jsonMistake finds the first mistake in s, which should be a JSON array of strings and must
// start with [. It returns the range of the mistake in s and the reason. If s is valid, the
// reason is "".
func jsonMistake(s string) (start, end int, reason string) {
	i := skipSpace(s, 1)
	if i < len(s) && s[i] == ']' {
		return afterArray(s, i)
	}
	for comma := 0; ; {
		if i == len(s) {
			return i, i, "the closing ] is missing"
		}
		if s[i] != '"' {
			return explainNonString(s, i, comma)
		}
		if end, start, reason = jsonStringEnd(s, i); reason != "" {
			return start, end, reason
		}
		i = skipSpace(s, end)
		switch {
		case i == len(s):
			return i, i, "the closing ] is missing"
		case s[i] == ']':
			return afterArray(s, i)
		case s[i] != ',':
			n := runeLen(s, i)
			return i, i + n, fmt.Sprintf("a comma is missing before %s", s[i:i+n])
		}
		comma = i
		i = skipSpace(s, i+1)
	}
}

// explainNonString returns the mistake at s[i], where a string should start. The parameter
// comma is the index of the comma before s[i], or 0 if no comma precedes it.
func explainNonString(s string, i, comma int) (start, end int, reason string) {
	n := runeLen(s, i)
	switch r, _ := utf8.DecodeRuneInString(s[i:]); {
	case r == ']':
		return comma, comma + 1, "a comma before ] has no string after it"
	case r == ',':
		return i, i + 1, "a string is missing before the comma"
	case r == '\'':
		return i, i + 1, "strings take double quotes, not single quotes"
	case strings.ContainsRune(typographicQuotes, r):
		return i, i + n, fmt.Sprintf(`%c is a typographic quotation mark, write "`, r)
	}
	word := s[i:]
	if k := strings.IndexAny(word, ",] \t"); k > 0 {
		word = word[:k]
	}
	return i, i + len(word), fmt.Sprintf("%s is not in double quotes", word)
}

// afterArray returns the mistake in the text after s[i], the bracket that ends the array. If no
// text follows, the reason is "".
func afterArray(s string, i int) (start, end int, reason string) {
	if k := skipSpace(s, i+1); k < len(s) {
		return k, len(s), "nothing may follow the closing ]"
	}
	return 0, 0, ""
}

// jsonStringEnd returns the offset after the JSON string that starts at s[i]. If the
// string is invalid, it returns the reason and the range [start, end) of the invalid
// part.
func jsonStringEnd(s string, i int) (end, start int, reason string) {
	open := i
	for i++; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, 0, ""
		case c < ' ':
			return i + 1, i, "a string cannot contain a control character"
		case c != '\\' || i+1 == len(s):
		case s[i+1] == 'u' && !isHex(s[i+2:min(i+6, len(s))]):
			return i + 2, i, `\u takes four hexadecimal digits, write \\ for a backslash`
		case !strings.ContainsRune(`"\/bfnrtu`, rune(s[i+1])):
			end := i + 1 + runeLen(s, i+1)
			return end, i, s[i:end] + ` is not a JSON escape, write \\ for a backslash`
		default:
			i++
		}
	}
	return len(s), open, `the closing " is missing`
}

// isHex reports whether s consists of four hexadecimal digits.
func isHex(s string) bool {
	return len(s) == 4 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// skipSpace returns the index of the first byte at or after s[i] that is not JSON white
// space.
func skipSpace(s string, i int) int {
	for i < len(s) && isJSONSpace(s[i]) {
		i++
	}
	return i
}

// runeLen returns the length in bytes of the character at s[i].
func runeLen(s string, i int) int {
	_, n := utf8.DecodeRuneInString(s[i:])
	return n
}
