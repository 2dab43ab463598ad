package lsp

import (
	"context"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/fix"
	"slipway/parser"
	"slipway/source"
)

// ignoreActions returns the actions that suppress a finding with a comment: above its instruction
// and for the whole file. Each comment is tried, because others may decide that it has no effect.
func (s *server) ignoreActions(ctx context.Context, snap *snapshot, f *lint.Finding, d []diagnostic) []codeAction {
	var list []codeAction
	add := func(title string, e *diag.Edit) {
		if e != nil && suppresses(ctx, snap, f, *e) {
			list = append(list, codeAction{Title: title, Kind: kindQuickFix, Diagnostics: d, Edit: s.edit(snap, []diag.Edit{*e})})
		}
	}
	syntax := snap.load(ctx).Syntax
	if syntax == nil {
		return nil
	}
	for i, n := range syntax.Nodes {
		in, ok := n.(*parser.Instruction)
		if ok && in.Rng.Start <= f.Range.Start && f.Range.Start < in.Rng.End {
			_, afterDirective := syntax.Nodes[max(i-1, 0)].(*parser.Directive)
			add("Ignore "+f.Code+" here", ignoreHere(snap.file, in, f, afterDirective))
		}
	}
	add("Ignore "+f.Code+" in this file", ignoreInFile(snap.file, syntax, f))
	return list
}

// suppresses reports whether an edit removes a finding and causes no new one.
func suppresses(ctx context.Context, snap *snapshot, f *lint.Finding, e diag.Edit) bool {
	before := snap.best(ctx)
	text := fix.Edit(snap.file, []diag.Edit{e})
	after := snap.rules.Linter.Lint(ctx, source.NewFile(snap.file.Name, text), snap.quick())
	count := func(r *lint.Result) (n int) {
		for _, other := range r.Findings {
			if other.Code == f.Code {
				n++
			}
		}
		return n
	}
	return len(after.File.Errors) <= len(before.File.Errors) && len(after.Findings) < len(before.Findings) && count(after) < count(before)
}

// ignoreHere returns an edit that suppresses a finding with a comment above an instruction. If
// there is such a comment, the edit adds the name to it. Directly after a directive, a comment # check= would
// be a directive, too, so that a blank line separates them.
func ignoreHere(f *source.File, in *parser.Instruction, finding *lint.Finding, afterDirective bool) *diag.Edit {
	at := source.Range{File: f, Start: in.Rng.Start, End: in.Rng.Start}
	if in.Above.Start < in.Above.End {
		first, last := in.Above.Lines()
		for n := last; n >= first; n-- {
			line := f.Line(n)
			if end := listEnd(line, finding.Rule.BuildKit); end > 0 {
				at.Start = f.LineStart(n) + end
				at.End = at.Start
				return &diag.Edit{Range: at, New: "," + finding.Code}
			}
			if !finding.Rule.BuildKit && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				break // only the comments next to the instruction count
			}
		}
	}
	comment := "# hadolint ignore=" + finding.Code + "\n"
	if finding.Rule.BuildKit {
		comment = "# check=skip=" + finding.Code + "\n"
		if afterDirective {
			comment = "\n" + comment // ends the directives at the top of the file
		}
	}
	return &diag.Edit{Range: at, New: comment}
}

// ignoreInFile returns an edit that suppresses a finding in the whole file.
func ignoreInFile(f *source.File, syntax *parser.File, finding *lint.Finding) *diag.Edit {
	start := 0
	for _, n := range syntax.Nodes {
		if d, ok := n.(*parser.Directive); ok {
			start = d.Rng.End
		}
	}
	if start == 0 && strings.HasPrefix(string(f.Bytes), "\ufeff") {
		start = len("\ufeff")
	}
	at := source.Range{File: f, Start: start, End: start}
	if !finding.Rule.BuildKit {
		return &diag.Edit{Range: at, New: "# hadolint global ignore=" + finding.Code + "\n"}
	}
	if _, line, ok := parser.Check(f.Bytes); ok {
		end := listEnd(f.Line(line), true)
		if end == 0 {
			return nil
		}
		at.Start = f.LineStart(line) + end
		at.End = at.Start
		return &diag.Edit{Range: at, New: "," + finding.Code}
	}
	return &diag.Edit{Range: at, New: "# check=skip=" + finding.Code + "\n"}
}

// listEnd returns the offset of the end of the names in a comment that suppresses findings, or 0
// if the line is not such a comment. The comment is check=skip= if check is set, otherwise hadolint ignore=.
func listEnd(line string, check bool) int {
	rest := strings.TrimLeft(line, " \t")
	if !strings.HasPrefix(rest, "#") {
		return 0
	}
	rest = strings.TrimLeft(rest, "# \t")
	if check {
		rest, ok := strings.CutPrefix(rest, "check=")
		i := strings.Index(rest, "skip=")
		if !ok || i < 0 {
			return 0
		}
		rest = rest[i+len("skip="):]
		end := strings.IndexAny(rest, "; \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		return len(line) - len(rest) + end
	}
	for _, prefix := range []string{"hadolint", "ignore", "="} {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, prefix); !ok {
			return 0
		}
		rest = strings.TrimLeft(rest, " \t")
	}
	end := 0
	for more := true; more; {
		name := strings.TrimLeft(rest[end:], " \t")
		end = len(rest) - len(name)
		n := strings.IndexAny(name+"#", ", \t#\r\n")
		end += n
		after := strings.TrimLeft(name[n:], " \t")
		if more = strings.HasPrefix(after, ","); more {
			end = len(rest) - len(after) + 1
		}
	}
	return len(line) - len(rest) + end
}
