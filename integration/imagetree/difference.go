package imagetree

import "strings"

// Difference compares two image descriptions. It returns the lines that differ, each with the
// name of its layer, or "" if the descriptions are equal.
func Difference(want, got string) string {
	if want == got {
		return ""
	}
	var b strings.Builder
	list := func(sign, text, other string) {
		count := map[string]int{}
		for _, line := range withHeadings(other) {
			count[line]++
		}
		for _, line := range withHeadings(text) {
			if count[line]--; count[line] < 0 {
				b.WriteString(sign + line + "\n")
			}
		}
	}
	list("-", want, got)
	list("+", got, want)
	if b.Len() == 0 {
		return "the same lines in another order"
	}
	return b.String()
}

// withHeadings returns the lines of an image description. Each line gets the preceding heading,
// such as "layer 1", as a prefix.
func withHeadings(text string) []string {
	var list []string
	heading := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "config" || strings.HasPrefix(line, "layer ") {
			heading = line
		}
		list = append(list, heading+": "+line)
	}
	return list
}
