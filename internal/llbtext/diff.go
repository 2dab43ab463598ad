package llbtext

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// Diff compares the selected parts of the definitions a and b. It finds the first operation, in
// canonical order, that differs, and returns a diff of this operation. Lines that only a
// contains start with -, and lines that only b contains start with +. If the selected parts are
// equal, Diff returns "".
//
// An operation follows its inputs, so the first operation that differs is the cause of later
// differences. If parts contains Ops, Diff also compares the encoded bytes.
func Diff(a, b *pb.Definition, parts Parts) (string, error) {
	ga, err := load(a)
	if err != nil {
		return "", fmt.Errorf("first definition: %w", err)
	}
	gb, err := load(b)
	if err != nil {
		return "", fmt.Errorf("second definition: %w", err)
	}
	for i := range min(len(ga.nodes), len(gb.nodes)) {
		ta, tb := ga.text(i, parts), gb.text(i, parts)
		if ta != tb {
			return context(ga, gb, i, parts) + LineDiff(ta, tb), nil
		}
		if parts&Ops != 0 && ga.nodes[i].digest != gb.nodes[i].digest {
			return fmt.Sprintf("operation %d prints the same but has other bytes:\n%s", i, ta), nil
		}
	}
	if n, m := len(ga.nodes), len(gb.nodes); n != m {
		return fmt.Sprintf("%d operations, and %d\n%s", n, m, LineDiff(ga.textFrom(m, parts), gb.textFrom(n, parts))), nil
	}
	if d := LineDiff(ga.resultText(parts), gb.resultText(parts)); d != "" {
		return d, nil
	}
	if parts&Ops != 0 && ga.final.digest != gb.final.digest {
		return "the operation that names the result prints the same but has other bytes\n", nil
	}
	if parts&Locations != 0 {
		return infoDiff(ga, gb), nil
	}
	return "", nil
}

// context returns a line with the name of operation i in the graphs a and b, or with both names
// if they differ. Diff prints this line before the diff of the operation. If parts contains Ops
// and Metadata, the diff itself includes the name, and context returns "".
func context(a, b *graph, i int, parts Parts) string {
	if parts&Ops != 0 && parts&Metadata != 0 {
		return ""
	}
	name := func(g *graph) string { return g.nodes[i].meta.GetDescription()["llb.customname"] }
	if name(a) == name(b) {
		return fmt.Sprintf("  (%s)\n", name(a))
	}
	return fmt.Sprintf("  (%s | %s)\n", name(a), name(b))
}

func infoDiff(a, b *graph) string {
	if d := LineDiff(a.infoText(), b.infoText()); d != "" {
		return d
	}
	for i, info := range a.def.GetSource().GetInfos() {
		if !bytes.Equal(info.Data, b.def.GetSource().GetInfos()[i].Data) {
			return fmt.Sprintf("the data of file %d differ\n", i)
		}
	}
	return ""
}

// textFrom returns the text of operation i and of all operations after it in canonical order.
func (g *graph) textFrom(i int, parts Parts) string {
	var b strings.Builder
	for ; i < len(g.nodes); i++ {
		b.WriteString(g.text(i, parts))
	}
	return b.String()
}

// LineDiff compares two texts by their longest common subsequence of lines. It marks lines
// that only a contains with -, lines that only b contains with +, and common lines with a
// space. It returns "" if the texts are equal.
func LineDiff(a, b string) string {
	if a == b {
		return ""
	}
	la, lb := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	const most = 2000 // the table of the algorithm has quadratic size
	la, lb = la[:min(len(la), most)], lb[:min(len(lb), most)]
	length := make([][]int, len(la)+1)
	for i := range length {
		length[i] = make([]int, len(lb)+1)
	}
	for i := len(la) - 1; i >= 0; i-- {
		for j := len(lb) - 1; j >= 0; j-- {
			if la[i] == lb[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(la) || j < len(lb) {
		switch {
		case i < len(la) && j < len(lb) && la[i] == lb[j]:
			mark(&out, " ", la[i])
			i, j = i+1, j+1
		case j == len(lb) || i < len(la) && length[i+1][j] >= length[i][j+1]:
			mark(&out, "-", la[i])
			i++
		default:
			mark(&out, "+", lb[j])
			j++
		}
	}
	return out.String()
}

func mark(out *strings.Builder, sign, line string) {
	if line == "" {
		return
	}
	out.WriteString(sign + line)
	if !strings.HasSuffix(line, "\n") {
		out.WriteByte('\n')
	}
}
