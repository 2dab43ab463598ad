package ignore

import (
	"bytes"
	"fmt"

	"github.com/moby/patternmatcher/ignorefile"
)

const (
	// maxLines is the maximum number of lines of an ignore file. All its
	// patterns are sent to the client in one message of at most 16 MiB.
	maxLines = 1_000_000
	// maxWild is the maximum number of distinct patterns with wildcards. Each
	// is compiled to a regular expression.
	maxWild = 10_000
	// maxWildBytes is the maximum total length of patterns with wildcards.
	maxWildBytes = 512 << 10
	// maxWildLine is the maximum length of a pattern with wildcards. The
	// library takes quadratic time to compile it.
	maxWildLine = 1024
)

// LimitError is the error for an ignore file that exceeds a limit.
type LimitError struct{ text string }

// Error implements error.
func (e *LimitError) Error() string { return e.text }

// Patterns returns the patterns of an ignore file in order, including "!". It
// returns an error for a line above 64 KiB, and a [LimitError] for too many
// lines.
func Patterns(content []byte) ([]string, error) {
	if bytes.Count(content, []byte("\n")) >= maxLines {
		return nil, &LimitError{fmt.Sprintf("the ignore file has more than %d lines", maxLines)}
	}
	return ignorefile.ReadAll(bytes.NewReader(content))
}
