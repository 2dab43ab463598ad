package dialect

import (
	"fmt"
	"strings"
)

// tokenKind is the kind of a token in a condition.
type tokenKind int

const (
	tokenEnd      tokenKind = iota // the end of the condition
	tokenWord                      // a word with its quotes and variables
	tokenOperator                  // such as == or (
)

// token is a token in a condition, with its offsets.
type token struct {
	kind       tokenKind
	text       string
	start, end int
}

// nextToken returns the first token of a condition at or after the offset.
func nextToken(s string, offset int) (token, *ConditionError) {
	i := offset
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	if i == len(s) {
		return token{tokenEnd, "", i, i}, nil
	}
	if op := operatorAt(s, i); op != "" {
		return token{tokenOperator, op, i, i + len(op)}, nil
	}
	if c := s[i]; c == '&' || c == '|' {
		return token{}, &ConditionError{i, i + 1, fmt.Sprintf("condition: expected %c%c, not %c", c, c, c)}
	}
	end, err := wordEnd(s, i)
	if err != nil {
		return token{}, err
	}
	return token{tokenWord, s[i:end], i, end}, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// operatorAt returns the operator at offset i, or "".
func operatorAt(s string, i int) string {
	for _, op := range []string{"==", "!=", "&&", "||"} {
		if strings.HasPrefix(s[i:], op) {
			return op
		}
	}
	if strings.IndexByte("!(),=", s[i]) >= 0 {
		return s[i : i+1]
	}
	return ""
}

// wordEnd returns the offset after the word that starts at offset start. Quotes and ${…} group
// characters that would otherwise end the word.
func wordEnd(s string, start int) (int, *ConditionError) {
	for i := start; i < len(s); {
		switch c := s[i]; {
		case isBlank(c), strings.IndexByte("(),=&|", c) >= 0, strings.HasPrefix(s[i:], "!="):
			return i, nil
		case c == '\\':
			i = min(i+2, len(s))
		case c == '\'' || c == '"':
			end := quotedEnd(s, i)
			if end < 0 {
				return 0, &ConditionError{i, len(s), fmt.Sprintf("condition: the quote %c is not closed", c)}
			}
			i = end
		case strings.HasPrefix(s[i:], "${"):
			end := bracesEnd(s, i+2)
			if end < 0 {
				return 0, &ConditionError{i, len(s), "condition: ${ is not closed"}
			}
			i = end
		default:
			i++
		}
	}
	return len(s), nil
}

// quotedEnd returns the offset after the quote that closes the quote at offset i, or -1.
func quotedEnd(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1
		case s[i] == '\\' && quote == '"':
			i++
		}
	}
	return -1
}

// bracesEnd returns the offset after the } that closes a ${. The parameter i is the offset
// after the ${. The result is -1 if the ${ is not closed.
func bracesEnd(s string, i int) int {
	for depth := 1; i < len(s); {
		switch {
		case s[i] == '\\':
			i += 2
			continue
		case s[i] == '\'' || s[i] == '"':
			if end := quotedEnd(s, i); end >= 0 {
				i = end
				continue
			}
		case strings.HasPrefix(s[i:], "${"):
			depth++
			i++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
