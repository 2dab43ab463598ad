package builds

import (
	"regexp"
	"slices"
	"strings"
)

// An excuse describes an accepted difference between our solver's result and BuildKit's. Such a
// difference is not an error in our solver.
type excuse struct {
	name   string
	reason string
	in     *regexp.Regexp // must match the text of the case; nil matches any case
	line   *regexp.Regexp // must match the line of the difference; nil matches any line
	// pair makes the excuse apply only to pairs of lines: the field line matches the first line
	// of the pair, and the field pair the second. The submatches of both must be equal. If pair
	// is nil, each line is excused on its own.
	pair *regexp.Regexp
}

// excuses returns the accepted differences. They occur only in cases for which BuildKit does
// not specify the result.
func excuses() []excuse {
	return []excuse{
		{
			name:   "directories of mount points",
			reason: "runc makes /etc/hosts and other mount points, which gives their directories a time that is in BuildKit's snapshot but in no layer; a COPY of the directory has it",
			in:     regexp.MustCompile(`(?m)^RUN (.|\n)*from=`),
			line:   regexp.MustCompile(`^-layer (\d+: dir .*) new$`),
			pair:   regexp.MustCompile(`^\+layer (\d+: dir .*) \d{4}-\S+$`),
		},
		{
			name:   "time of a root",
			reason: "the root of an image is no entry of its layers: BuildKit's has the time at which it was unpacked, and a target that --parents fills gets it",
			in:     regexp.MustCompile(`(?m)^(COPY|ADD) .*--parents`),
			line:   regexp.MustCompile(`^-layer (\d+: dir .*) new$`),
			pair:   regexp.MustCompile(`^\+layer (\d+: dir .*) \d{4}-\S+$`),
		},
		{
			name:   "time of a mounted root",
			reason: "the root of an image is no entry of its layers, so its time depends on who made the snapshot; a step that copies a mount of it has it",
			in:     regexp.MustCompile(`(?m)^RUN .*source=/( |,|$)`),
			line:   regexp.MustCompile(`^-layer (\d+: dir .*) \S+$`),
			pair:   regexp.MustCompile(`^\+layer (\d+: dir .*) \S+$`),
		},
		{
			name:   "block devices",
			reason: "BuildKit's copy makes a character device of a block device",
			in:     regexp.MustCompile(`mknod .* b |/dev/|base/odd`),
			line:   regexp.MustCompile(`^-layer (\d+:) char +(\d.*)$`),
			pair:   regexp.MustCompile(`^\+layer (\d+:) block +(\d.*)$`),
		},
		{
			name:   "excluded sources",
			reason: "BuildKit copies a file that is a source itself though it is excluded, but the key of the copy has neither the file nor the names of directories of which all is excluded: it finds results of other files",
			in:     regexp.MustCompile(`(?m)^(COPY|ADD) .*--exclude=\*\*`),
			line:   regexp.MustCompile(`^([-+]ran: |[-+]layer \d+: file |\+error at .*: not found$)`),
		},
		{
			name:   "links that are copied",
			reason: "BuildKit's key of a copy with --parents has what a link leads to, the copy has the link alone: what follows runs again although nothing has changed",
			in:     regexp.MustCompile(`(?m)^link: context(.|\n)*^(COPY|ADD) .*--parents`),
			line:   regexp.MustCompile(`^[-+]ran: `),
		},
		{
			name:   "first of several errors",
			reason: "steps that do not wait for each other look for their sources at the same time",
			line:   regexp.MustCompile(`^-error at ().*(?:not found|no such file or directory)`),
			pair:   regexp.MustCompile(`^\+error at ().*(?:not found|no such file or directory)`),
		},
		{
			name:   "places that are not copied to",
			reason: "BuildKit's copy looks up the target of each directory of the source, those that no pattern matches too, and fails where a file is in the way",
			in:     regexp.MustCompile(`--(parents|exclude)`),
			line:   regexp.MustCompile(`^-error at .* failed to stat .*: not a directory`),
		},
	}
}

// Unexcused returns the lines of a difference that no excuse covers. If excuses cover all lines
// that differ, it returns "". The parameter text is the case in the format of package
// buildcase, and diff is the difference.
func Unexcused(text []byte, diff string) string {
	var lines []string
	for line := range strings.Lines(diff) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	for _, e := range excuses() {
		if e.in == nil || e.in.Match(text) {
			lines = e.drop(lines)
		}
	}
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+") }) {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// drop returns those lines of a difference between two images that the excuse e does not cover.
func (e excuse) drop(lines []string) []string {
	if e.pair == nil {
		return slices.DeleteFunc(lines, func(line string) bool { return e.line == nil || e.line.MatchString(line) })
	}
	firsts, gone := map[string]int{}, map[int]bool{}
	for n, line := range lines {
		if m := e.line.FindStringSubmatch(line); m != nil {
			firsts[strings.Join(m[1:], "")] = n
			continue
		}
		m := e.pair.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		same := strings.Join(m[1:], "")
		if first, ok := firsts[same]; ok {
			gone[first], gone[n] = true, true
			delete(firsts, same)
		}
	}
	var kept []string
	for n, line := range lines {
		if !gone[n] {
			kept = append(kept, line)
		}
	}
	return kept
}
