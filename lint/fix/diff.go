package fix

import (
	"bytes"
	"fmt"
	"strings"
)

// contextLines is the number of unchanged lines around a change in a diff.
const contextLines = 3

// Diff returns the difference between two texts as a unified diff. It is "" if they are equal.
func Diff(name string, before, after []byte) string {
	if bytes.Equal(before, after) {
		return ""
	}
	a, b := splitLines(before), splitLines(after)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	ops := compare(a[start:len(a)-end], b[start:len(b)-end])
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	writeHunks(&out, a, start, end, ops)
	return out.String()
}

// splitLines splits a text after each line end.
func splitLines(text []byte) []string {
	list := strings.SplitAfter(string(text), "\n")
	if list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return list
}

// op is a line of a diff: ' ', '-' or '+', and the text.
type op struct {
	kind byte
	text string
}

// maxTable bounds the size of the table that compare uses.
const maxTable = 4 << 20

// compare returns the shortest list of deletions and insertions that turns a into b. If both are
// very long, it replaces all lines.
func compare(a, b []string) []op {
	var ops []op
	if len(a)*len(b) > maxTable {
		for _, s := range a {
			ops = append(ops, op{'-', s})
		}
		for _, s := range b {
			ops = append(ops, op{'+', s})
		}
		return ops
	}
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			ops = append(ops, op{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			ops = append(ops, op{'-', a[i]})
			i++
		default:
			ops = append(ops, op{'+', b[j]})
			j++
		}
	}
	return ops
}

// writeHunks writes the changes with the lines around them. The first start and the last end
// lines of a are unchanged, and ops are the lines between.
func writeHunks(out *strings.Builder, a []string, start, end int, ops []op) {
	all := make([]op, 0, len(ops)+2*contextLines)
	first := max(start-contextLines, 0)
	for _, s := range a[first:start] {
		all = append(all, op{' ', s})
	}
	all = append(all, ops...)
	tail := len(a) - end
	for _, s := range a[tail:min(tail+contextLines, len(a))] {
		all = append(all, op{' ', s})
	}
	oldLine, newLine := first+1, first+1
	for len(all) > 0 {
		n := hunkLength(all)
		hunk := all[:n]
		skip := 0
		for skip < n && hunk[skip].kind == ' ' {
			skip++
		}
		skip = max(skip-contextLines, 0)
		oldLine, newLine = oldLine+skip, newLine+skip
		writeHunk(out, hunk[skip:], &oldLine, &newLine)
		all = all[n:]
	}
}

// hunkLength returns the number of lines of the first hunk: changes with at most twice
// contextLines unchanged lines between them.
func hunkLength(all []op) int {
	equal, changed := 0, false
	for i, o := range all {
		if o.kind != ' ' {
			equal, changed = 0, true
			continue
		}
		if equal++; changed && equal > 2*contextLines {
			return i - contextLines
		}
	}
	return len(all)
}

// writeHunk writes a hunk, and adds its lines to the line numbers.
func writeHunk(out *strings.Builder, hunk []op, oldLine, newLine *int) {
	for len(hunk) > 0 && trailing(hunk) > contextLines {
		hunk = hunk[:len(hunk)-1]
	}
	removed, added := 0, 0
	for _, o := range hunk {
		if o.kind != '+' {
			removed++
		}
		if o.kind != '-' {
			added++
		}
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", *oldLine, removed, *newLine, added)
	for _, o := range hunk {
		out.WriteByte(o.kind)
		out.WriteString(o.text)
		if !strings.HasSuffix(o.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
	*oldLine += removed
	*newLine += added
}

// trailing returns the number of unchanged lines at the end of a hunk.
func trailing(hunk []op) int {
	n := 0
	for n < len(hunk) && hunk[len(hunk)-1-n].kind == ' ' {
		n++
	}
	return n
}
