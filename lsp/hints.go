package lsp

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxHint is the maximum length of a hint, in characters.
const maxHint = 40

// hints returns the values of variables that the build expands, and the names of stages that are
// used by number. Variables of scripts have no hints, because a script may change them.
func (s *server) hints(ctx context.Context, snap *snapshot, p rangeParams) (any, error) {
	list := []inlayHint{}
	x := snap.names(ctx)
	within := span{0, len(snap.file.Bytes)}
	if p.Range != nil {
		within = span{snap.mapper.offset(p.Range.Start), snap.mapper.offset(p.Range.End)}
	}
	for _, n := range x.places {
		if n.end < within.start || n.start > within.end || ctx.Err() != nil {
			continue
		}
		at, label := n.end, ""
		switch n.role {
		case usesVariable:
			if in := n.in; in != nil && (lowerKeyword(in.Syntax) == "run" && !inFlag(n)) {
				continue
			}
			at, label = snap.valueHint(x, n)
		case usesStage:
			name := x.file.Stages[n.stage].Syntax.Name
			if written := string(snap.file.Bytes[n.start:n.end]); name != "" && !strings.EqualFold(written, name) {
				label = name
			}
		case declaresArg, declaresEnv, declaresStage:
		}
		if label != "" {
			list = append(list, inlayHint{Position: snap.mapper.position(at), Label: label, PaddingLeft: true})
		}
	}
	return list, nil
}

// inFlag reports whether a place is in a flag of its instruction.
func inFlag(p *place) bool {
	for _, f := range p.in.Syntax.Flags {
		if r := f.Text.Range(); r.Start <= p.start && p.end <= r.End {
			return true
		}
	}
	return false
}

// valueHint returns the hint about the value of a variable, and its offset. The label is "" if the
// value is unknown, or if an operator such as :- may replace it.
func (s *snapshot) valueHint(x *index, p *place) (at int, label string) {
	text := s.file.Bytes
	at = p.end
	if p.start > 0 && text[p.start-1] == '{' {
		if at >= len(text) || text[at] != '}' {
			return at, ""
		}
		at++
	}
	value, set, known := s.value(x, p)
	if !known || !set {
		return at, ""
	}
	value = strings.Join(strings.Fields(strings.ToValidUTF8(value, "?")), " ")
	if utf8.RuneCountInString(value) > maxHint {
		value = string([]rune(value)[:maxHint-1]) + "…"
	}
	return at, fmt.Sprintf("= %s", value)
}
