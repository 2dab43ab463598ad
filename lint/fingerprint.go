package lint

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"slipway/parser"
	"slipway/source"
)

// Fingerprints returns a fingerprint for each of the findings. It covers the name of the rule
// and the text of the instruction, but not the number of the line, so that a finding keeps its
// fingerprint when lines move. Equal findings in equal instructions are numbered.
func (r *Result) Fingerprints(findings []*Finding) []string {
	var list []*parser.Instruction
	if r.File.Syntax != nil {
		list = r.File.Syntax.Instructions()
	}
	seen := map[string]int{}
	prints := make([]string, len(findings))
	for i, f := range findings {
		text := f.Code + "\x00" + strings.Join(strings.Fields(logicalLine(list, f.Range)), " ")
		seen[text]++
		sum := sha256.Sum256([]byte(text + "\x00" + strconv.Itoa(seen[text])))
		prints[i] = hex.EncodeToString(sum[:8])
	}
	return prints
}

// logicalLine returns the logical line of the instruction that contains a range, or the line of
// the file if no instruction does.
func logicalLine(list []*parser.Instruction, r source.Range) string {
	if r.IsZero() {
		return ""
	}
	i, _ := slices.BinarySearchFunc(list, r.Start, func(in *parser.Instruction, at int) int {
		if in.Rng.End <= at {
			return -1
		}
		return 0
	})
	if i < len(list) && list[i].Rng.Start <= r.Start && r.Start < list[i].Rng.End {
		return list[i].Line.String()
	}
	return r.File.Line(r.Position().Line)
}
