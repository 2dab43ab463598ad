package ignore

import (
	"bytes"
	"fmt"

	"github.com/moby/patternmatcher/ignorefile"
)

const (
	// maxLines is how many lines an ignore file can have. All its patterns go to
	// the client in one message of at most 16 MiB.
	maxLines = 1_000_000
	// maxWild is how many patterns with wildcards it can have, each counted
	// once: every one becomes a regular expression.
	maxWild = 10_000
	// maxWildBytes is how long all of them can be.
	maxWildBytes = 512 << 10
	// maxWildLine is how long one of them can be. The library takes time with the square of it.
	maxWildLine = 1024
)

// LimitError is the error for an ignore file that no build could use.
type LimitError struct{ text string }

// Error implements error.
func (e *LimitError) Error() string { return e.text }

// Patterns returns the patterns of an ignore file in order, keeping "!". The
// errors are a line above 64 KiB and a [LimitError].
func Patterns(content []byte) ([]string, error) {
	if bytes.Count(content, []byte("\n")) >= maxLines {
		return nil, &LimitError{fmt.Sprintf("the ignore file has more than %d lines", maxLines)}
	}
	return ignorefile.ReadAll(bytes.NewReader(content))
}
