package realimages

import (
	"regexp"
	"strings"
)

// An excuse describes files whose content differs each time a step writes them.
type excuse struct {
	path   *regexp.Regexp
	reason string
}

// excuses returns excuses for all files whose content and size may differ. Even for these files,
// mode, owner, time and xattrs must be equal.
func excuses() []excuse {
	return []excuse{
		{regexp.MustCompile(`^var/log/(apt/(history|term)|dpkg|alternatives)\.log$`), "each line has the time of day"},
		{regexp.MustCompile(`^var/log/apt/eipp\.log\.xz$`), "apt writes package names in the order of a hash table"},
		{regexp.MustCompile(`^var/cache/ldconfig/aux-cache$`), "has the inodes and times of libraries"},
	}
}

// file matches a line about a regular file in the difference between two images, for example
// "-layer 1: file 0644 0:0 12 etc/x sha256:… new".
var file = regexp.MustCompile(`^[-+](layer \d+: file +\d{4} \d+:\d+) +\d+ (.+?) sha256:[0-9a-f]{16}( .*)?$`)

// unexcused removes lines that an excuse covers from diff, the difference between two images. It
// returns the remaining lines and the removed files. It removes the lines of a file only if the
// file's metadata is equal in both images.
func unexcused(diff string) (rest string, files []string) {
	count := map[string]int{} // key of a line → number of + lines minus number of - lines
	for line := range strings.Lines(diff) {
		if key, ok := excusedKey(line); ok {
			count[key] += sign(line)
		}
	}
	var b strings.Builder
	for line := range strings.Lines(diff) {
		key, ok := excusedKey(line)
		switch {
		case !ok || count[key] != 0:
			b.WriteString(line)
		case sign(line) > 0:
			files = append(files, key)
		}
	}
	return b.String(), files
}

// excusedKey parses a line of a difference between two images. If an excuse covers the file that
// the line describes, the first result is the part of the line that must be equal in both
// images: everything but sign, size and digest. If no excuse covers it, ok is false.
func excusedKey(line string) (key string, ok bool) {
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
