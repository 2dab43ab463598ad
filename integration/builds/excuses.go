package builds

import (
	"regexp"
	"strings"
)

// An excuse covers differences in which our solver does nothing wrong.
type excuse struct {
	name string
	why  string
	in   *regexp.Regexp // of the case; nil: any
	line *regexp.Regexp // of the difference; nil: all of them
}

// excuses lists all that are not counted. The first group is permanent: BuildKit
// makes no promise there. The second are errors of ours that are being fixed.
func excuses() []excuse {
	return []excuse{
		{
			name: "sources that are their own base",
			why:  "BuildKit looks for sources with --parents only if it needs their digest, which it does not for a stage that the step also starts from",
			in:   regexp.MustCompile(`(?m)^(COPY|ADD) .*--parents`),
			line: regexp.MustCompile(`^\+error at .*--parents.*not found`),
		},
		{
			name: "A1",
			why:  "a step after one that ignores the cache is found in the cache",
			in:   regexp.MustCompile(`(?m)attr: no-cache`),
		},
		{
			name: "A3",
			why:  "sources with --parents",
			line: regexp.MustCompile(`^-error at .*--parents`),
		},
		{
			name: "A13",
			why:  "entries of an archive below a link of it",
			in:   regexp.MustCompile(`(?m)^symlink `),
			line: regexp.MustCompile(`^-error at .*ADD `),
		},
		{
			name: "A9",
			why:  "mount points in a base that lacks them",
			line: regexp.MustCompile(`^-layer \d+: dir +0755 0:0 +0 (dev|proc|sys) new`),
		},
	}
}

// Unexcused returns the lines of a difference that have no excuse, "" if there
// are none but headings.
func Unexcused(text []byte, diff string) string {
	var b strings.Builder
	left := false
	for line := range strings.Lines(diff) {
		if excused(text, line) {
			continue
		}
		left = left || !strings.HasPrefix(line, "build ")
		b.WriteString(line)
	}
	if !left {
		return ""
	}
	return b.String()
}

func excused(text []byte, line string) bool {
	for _, e := range excuses() {
		if (e.in == nil || e.in.Match(text)) && (e.line == nil || e.line.MatchString(line)) {
			return true
		}
	}
	return false
}
