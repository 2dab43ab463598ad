package fix

import (
	"strings"

	"slipway/diag"
	"slipway/source"
)

// Diff returns the difference between two texts as a unified diff. It is "" if they are equal.
func Diff(name string, before, after []byte) string {
	f := source.NewFile(name, before)
	var out strings.Builder
	_ = diag.Unified(&out, f, lineEdits(f, after)) // a strings.Builder returns no errors
	return out.String()
}

// lineEdits returns edits of whole lines that turn f into the text after. Between the first and the
// last line that differ, they are as few as possible.
func lineEdits(f *source.File, after []byte) []diag.Edit {
	a, b := splitLines(f.Bytes), splitLines(after)
	start, at := 0, 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		at += len(a[start])
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var edits []diag.Edit
	equal := true // whether the line before is equal in both texts
	for _, o := range compare(a[start:len(a)-end], b[start:len(b)-end]) {
		if o.kind == ' ' {
			at, equal = at+len(o.text), true
			continue
		}
		if equal {
			edits = append(edits, diag.Edit{Range: source.Range{File: f, Start: at, End: at}})
			equal = false
		}
		e := &edits[len(edits)-1]
		if o.kind == '+' {
			e.New += o.text
			continue
		}
		at += len(o.text)
		e.Range.End = at
	}
	return edits
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
