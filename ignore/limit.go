package ignore

import (
	"bytes"
	"fmt"

	"github.com/moby/patternmatcher/ignorefile"
)

const (
	// maxLines is the maximum number of lines in an ignore file. The frontend sends all
	// patterns to the client in one message of at most 16 MiB.
	maxLines = 1_000_000
	// maxWildcards is the maximum number of distinct patterns with wildcards. Each of
	// these patterns is compiled to a regular expression.
	maxWildcards = 10_000
	// maxWildcardBytes is the maximum total size of the patterns with wildcards, in bytes.
	maxWildcardBytes = 512 << 10
	// maxPatternLength is the maximum size of one pattern with wildcards, in bytes. Compiling
	// such a pattern takes quadratic time in the pattern library.
	maxPatternLength = 1024
)

// LimitError is the error for an ignore file that exceeds a limit.
type LimitError struct{ text string }

// Error implements error.
func (e *LimitError) Error() string { return e.text }

// Patterns returns the patterns in an ignore file in order, including the "!" of
// exceptions. It returns an error for a line of 64 KiB or more, and a [LimitError] for
// too many lines.
func Patterns(content []byte) ([]string, error) {
	if bytes.Count(content, []byte("\n")) >= maxLines {
		return nil, &LimitError{fmt.Sprintf("the ignore file has more than %d lines", maxLines)}
	}
	return ignorefile.ReadAll(bytes.NewReader(content))
}
