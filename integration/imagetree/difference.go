package imagetree

import "strings"

// Difference returns the lines that differ between two texts of images, each
// with its layer. It returns "" if the texts are equal.
func Difference(want, got string) string {
	if want == got {
		return ""
	}
	var b strings.Builder
	list := func(sign, text, other string) {
		count := map[string]int{}
		for _, line := range located(other) {
			count[line]++
		}
		for _, line := range located(text) {
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

// located returns the lines of a text, each prefixed with its heading.
func located(text string) []string {
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
