package dialect

import (
	"fmt"
	"strconv"
	"strings"
)

// Level is a version of the dialect, such as 1.0. Within a major version, a higher level only
// adds extensions.
type Level struct{ Major, Minor int }

// Newest returns the highest level that this program supports.
func Newest() Level { return Level{1, 0} }

// String returns the level as in a gate, such as "1.0".
func (l Level) String() string { return fmt.Sprintf("%d.%d", l.Major, l.Minor) }

// Less reports whether the level l is lower than the level o.
func (l Level) Less(o Level) bool {
	return l.Major < o.Major || l.Major == o.Major && l.Minor < o.Minor
}

// parseLevel parses a level.
//
//	level = digits [ "." digits ] .
func parseLevel(s string) (Level, bool) {
	major, minor, dotted := strings.Cut(s, ".")
	if !dotted {
		minor = "0"
	}
	m, ok1 := parseDigits(major)
	n, ok2 := parseDigits(minor)
	return Level{m, n}, ok1 && ok2
}

// parseDigits parses a number of at most six digits, without a sign.
func parseDigits(s string) (int, bool) {
	if s == "" || len(s) > 6 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
