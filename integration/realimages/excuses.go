package realimages

import (
	"regexp"
	"strings"
)

// An excuse covers files whose content differs between any two runs of the step
// that writes them.
type excuse struct {
	path *regexp.Regexp
	why  string
}

// excuses lists all files that may differ in size and content, but not in mode,
// owner, time and xattrs.
func excuses() []excuse {
	return []excuse{
		{regexp.MustCompile(`^var/log/(apt/(history|term)|dpkg|alternatives)\.log$`), "each line has the time of day"},
		{regexp.MustCompile(`^var/log/apt/eipp\.log\.xz$`), "apt writes package names in the order of a hash table"},
		{regexp.MustCompile(`^var/cache/ldconfig/aux-cache$`), "has the inodes and times of libraries"},
	}
}

// file is a line of a difference: "-layer 1: file 0644 0:0 12 etc/x sha256:… new".
var file = regexp.MustCompile(`^[-+](layer \d+: file +\d{4} \d+:\d+) +\d+ (.+?) sha256:[0-9a-f]{16}( .*)?$`)

// unexcused returns the lines of a difference without an excuse, and the excused
// files. A file is only excused if it has the same metadata in both images.
func unexcused(diff string) (rest string, files []string) {
	count := map[string]int{} // lines of excused files without sign, size and digest: + and - cancel out
	for line := range strings.Lines(diff) {
		if key, ok := excused(line); ok {
			count[key] += sign(line)
		}
	}
	var b strings.Builder
	for line := range strings.Lines(diff) {
		key, ok := excused(line)
		switch {
		case !ok || count[key] != 0:
			b.WriteString(line)
		case sign(line) > 0:
			files = append(files, key)
		}
	}
	return b.String(), files
}

// excused returns the common part of both lines of an excused file.
func excused(line string) (key string, ok bool) {
	m := file.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
	if m == nil {
		return "", false
	}
	for _, e := range excuses() {
		if e.path.MatchString(m[2]) {
			return m[1] + " " + m[2] + m[3], true
		}
	}
	return "", false
}

func sign(line string) int {
	if line[0] == '-' {
		return -1
	}
	return 1
}
