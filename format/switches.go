package format

import (
	"strings"

	"slipway/parser"
)

// switches tracks the comments that switch the formatter off, while the nodes of a file are
// visited in order.
type switches struct {
	nodes []parser.Node
	off   bool // whether # fmt: off applies after the last visited node
}

// disabled describes the parts of a node that stay as they are.
type disabled struct {
	all   bool                // the whole node
	lines func(line int) bool // of a comment: reports whether the line with this index stays
}

// next visits the node with the given index.
func (s *switches) next(index int) disabled {
	n, ok := s.nodes[index].(*parser.Comment)
	if !ok {
		return disabled{all: s.off || s.skipped(index)}
	}
	var off []bool
	for text := range strings.Lines(n.Rng.String()) {
		was := s.off
		switch commentWord(text) {
		case "fmt:off":
			s.off = true
		case "fmt:on":
			s.off = false
		}
		off = append(off, was || s.off)
	}
	return disabled{all: s.off, lines: func(line int) bool { return line < len(off) && off[line] }}
}

// skipped reports whether the comment directly above a node contains # fmt: skip.
func (s *switches) skipped(index int) bool {
	if index == 0 {
		return false
	}
	n, ok := s.nodes[index-1].(*parser.Comment)
	if !ok {
		return false
	}
	for text := range strings.Lines(n.Rng.String()) {
		if word := commentWord(text); word == "fmt:skip" || word == "dockerfmt-ignore" {
			return true
		}
	}
	return false
}

// commentWord returns the text of a comment line without # and white space.
func commentWord(line string) string {
	text, _ := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(line, bom)), "#")
	return strings.Join(strings.Fields(text), "")
}
