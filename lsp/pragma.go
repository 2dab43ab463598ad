package lsp

import (
	"context"
	"slices"
	"strings"

	"slipway/lint"
)

// pragmaList returns the text after the = of a comment that lists rules, such as
// # hadolint ignore=DL3008, and whether the comment is # check=. The comment is the text of a line, or
// the start of it.
func pragmaList(comment string) (list string, check, ok bool) {
	text := strings.TrimLeft(strings.TrimSpace(comment), "# \t")
	if rest, is := strings.CutPrefix(text, "check="); is {
		i := strings.LastIndex(rest, "skip=")
		if i < 0 {
			return "", true, false
		}
		list = rest[i+len("skip="):]
		return list, true, !strings.Contains(list, ";")
	}
	for _, tool := range []string{"hadolint", "tally", "slipway"} {
		if rest, is := strings.CutPrefix(text, tool); is {
			_, list, ok = strings.Cut(rest, "ignore=")
			return list, false, ok
		}
	}
	return "", false, false
}

// pragma offers the names of rules in a comment that suppresses findings. Rules that report something
// in the file come first.
func (c *completer) pragma(ctx context.Context) {
	line := c.snap.file.Position(c.offset).Line
	list, check, ok := pragmaList(string(c.snap.file.Bytes[c.snap.file.LineStart(line):c.offset]))
	if !ok {
		return
	}
	typed := list[strings.LastIndexAny(list, ", \t")+1:]
	var reported, others []entry
	findings := c.snap.findings(ctx)
	for _, r := range c.snap.rules.Linter.Rules() {
		e := entry{r.Name, r.Summary}
		switch {
		case check && !r.BuildKit:
			continue
		case !check && r.Code != "":
			e = entry{r.Code, r.Name + ": " + r.Summary}
		}
		if slices.ContainsFunc(findings, func(f *lint.Finding) bool { return f.Rule != nil && f.Rule.Name == r.Name }) {
			reported = append(reported, e)
		} else {
			others = append(others, e)
		}
	}
	c.add(typed, completesValue, slices.Concat(reported, others)...)
}

// ruleAt returns the rule whose name is at an offset in a comment that suppresses findings, or nil.
func (s *snapshot) ruleAt(offset int) (*lint.Rule, span) {
	n := s.file.Position(offset).Line
	start, line := s.file.LineStart(n), s.file.Line(n)
	if !strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil, span{}
	}
	list, _, ok := pragmaList(line)
	if !ok || len(list) == 0 {
		return nil, span{}
	}
	at := span{min(offset-start, len(line)), min(offset-start, len(line))}
	for at.start > 0 && isRuleByte(line[at.start-1]) {
		at.start--
	}
	for at.end < len(line) && isRuleByte(line[at.end]) {
		at.end++
	}
	if at.start < strings.LastIndex(line, "=") {
		return nil, span{}
	}
	return s.rules.Linter.Rule(line[at.start:at.end]), span{start + at.start, start + at.end}
}

// isRuleByte reports whether the name of a rule may contain c.
func isRuleByte(c byte) bool { return c != '_' && isNameByte(c, false) }

// describeRule returns a description of a rule.
func describeRule(r *lint.Rule) string {
	name := code(r.Name)
	if r.Code != "" {
		name += ", " + code(r.Code)
	}
	return name + "\n\n" + r.Summary + "\n\n`slipway lint --explain " + r.Name + "` says more"
}
