package lint

import (
	"bytes"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/linter"
	"slipway/parser"
	"slipway/source"
)

// pragma is a comment that suppresses findings, such as # hadolint ignore=DL3008.
type pragma struct {
	comment source.Range // the line with the comment
	names   []pragmaName
	reason  string
	scope   source.Range // findings that start in this range are suppressed
	check   bool         // whether the comment is # check=skip=
	used    bool
}

// pragmaName is a name in the list of a pragma.
type pragmaName struct {
	name string
	at   source.Range
}

// pragmas returns the pragmas of a file in the order of their comments.
func (f *File) pragmas() []*pragma {
	if f.Syntax == nil || !bytes.Contains(f.Source.Bytes, []byte("#")) {
		return nil
	}
	var list []*pragma
	for i, n := range f.Syntax.Nodes {
		switch n := n.(type) {
		case *parser.Comment:
			list = append(list, f.commentPragmas(n.Rng, f.afterComment(i))...)
		case *parser.Instruction:
			list = append(list, f.innerPragmas(n)...)
		case *parser.Blank, *parser.Directive:
		}
	}
	return append(list, f.checkPragmas()...)
}

// afterComment returns the instruction that directly follows the comment at index i of the
// nodes, or nil.
func (f *File) afterComment(i int) *parser.Instruction {
	if i+1 >= len(f.Syntax.Nodes) {
		return nil
	}
	in, _ := f.Syntax.Nodes[i+1].(*parser.Instruction)
	return in
}

// commentPragmas returns the pragmas in a run of comment lines. The parameter next is the
// instruction after the comments, or nil.
func (f *File) commentPragmas(comments source.Range, next *parser.Instruction) []*pragma {
	var list []*pragma
	first, last := comments.Lines()
	for n := first; n <= last; n++ {
		p, kind := f.pragma(n)
		if p == nil {
			continue
		}
		switch {
		case kind == "global":
			p.scope = source.Range{File: f.Source, End: len(f.Source.Bytes) + 1}
		case kind == "stage":
			p.scope = f.stageScope(comments.End)
		case next != nil:
			p.scope = next.Rng
		}
		list = append(list, p)
	}
	return list
}

// stageScope returns the range from offset to the second FROM after it.
func (f *File) stageScope(offset int) source.Range {
	r := source.Range{File: f.Source, Start: offset, End: len(f.Source.Bytes) + 1}
	found := false
	for _, in := range f.Syntax.Instructions() {
		if in.Rng.Start < offset || !strings.EqualFold(in.Keyword.String(), "from") {
			continue
		}
		if found {
			r.End = in.Rng.Start
			break
		}
		found = true
	}
	return r
}

// innerPragmas returns the pragmas in comments between the lines of an instruction. Each counts
// for the next line with text.
func (f *File) innerPragmas(in *parser.Instruction) []*pragma {
	head := in.Head()
	if !bytes.Contains(f.Source.Bytes[head.Start:head.End], []byte("#")) {
		return nil
	}
	var list, open []*pragma
	first, last := head.Lines()
	for n := first + 1; n <= last; n++ {
		line := f.Source.LineRange(n, n)
		text := strings.TrimSpace(f.Source.Line(n))
		if p, kind := f.pragma(n); p != nil && kind == "" {
			open = append(open, p)
			list = append(list, p)
			continue
		}
		if text == "" || text[0] == '#' {
			continue
		}
		for _, p := range open {
			p.scope = line
		}
		open = nil
	}
	return list
}

// pragma returns the pragma in the comment in line n, or nil. The result kind is "global",
// "stage" or "".
func (f *File) pragma(n int) (p *pragma, kind string) {
	text := f.Source.Line(n)
	words, at, ok := pragmaText(text)
	if !ok {
		return nil, ""
	}
	tool, rest := cutWord(words)
	at += len(words) - len(rest)
	switch tool {
	case "hadolint", "tally", "slipway":
	case "shellcheck":
		return f.ignoreList(n, rest, at, "disable"), ""
	default:
		return nil, ""
	}
	if word, after := cutWord(rest); word == "global" || word == "stage" {
		kind = word
		at += len(rest) - len(after)
		rest = after
	}
	return f.ignoreList(n, rest, at, "ignore"), kind
}

// ignoreList parses KEY = NAME , NAME # REASON, which starts at byte at of line n.
func (f *File) ignoreList(n int, s string, at int, key string) *pragma {
	rest, ok := strings.CutPrefix(s, key)
	if !ok {
		return nil
	}
	trimmed := strings.TrimLeft(rest, " \t")
	if !strings.HasPrefix(trimmed, "=") {
		return nil
	}
	at += len(s) - len(trimmed) + 1
	p := &pragma{comment: f.Source.LineRange(n, n)}
	list := trimmed[1:]
	start := f.Source.LineStart(n)
	for {
		name := strings.TrimLeft(list, " \t")
		at += len(list) - len(name)
		end := strings.IndexAny(name, ", \t#")
		if end < 0 {
			end = len(name)
		}
		if end > 0 {
			r := source.Range{File: f.Source, Start: start + at, End: start + at + end}
			p.names = append(p.names, pragmaName{name[:end], r})
		}
		rest := strings.TrimLeft(name[end:], " \t")
		if !strings.HasPrefix(rest, ",") {
			p.reason = strings.TrimSpace(strings.TrimLeft(rest, "# \t"))
			return p
		}
		at += len(name) - len(rest) + 1
		list = rest[1:]
	}
}

// pragmaText returns the text of a comment and its offset in the line. ok is false if the line
// is not a comment.
func pragmaText(line string) (text string, at int, ok bool) {
	trimmed := strings.TrimLeft(line, " \t")
	if !strings.HasPrefix(trimmed, "#") {
		return "", 0, false
	}
	text = strings.TrimLeft(trimmed, "# \t")
	return text, len(line) - len(text), true
}

// cutWord splits s after its first word and the following white space.
func cutWord(s string) (word, rest string) {
	end := strings.IndexAny(s, " \t=")
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimLeft(s[end:], " \t")
}

// checkPragmas returns a pragma for each # check=skip= of the file: at the top, and above
// instructions.
func (f *File) checkPragmas() []*pragma {
	var list []*pragma
	add := func(value string, comment, scope source.Range) {
		c, err := linter.ParseConfig(value)
		if err != nil {
			return
		}
		p := &pragma{comment: comment, scope: scope, check: true, reason: "check=skip"}
		if c.SkipAll {
			p.names = append(p.names, pragmaName{name: "*"})
		}
		for name := range c.Skip {
			p.names = append(p.names, pragmaName{name: name})
		}
		slices.SortFunc(p.names, func(a, b pragmaName) int { return strings.Compare(a.name, b.name) })
		if len(p.names) > 0 {
			list = append(list, p)
		}
	}
	if value, line, ok := parser.Check(f.Source.Bytes); ok {
		add(value, f.Source.LineRange(line, line), source.Range{File: f.Source, End: len(f.Source.Bytes) + 1})
	}
	for _, in := range f.Syntax.Instructions() {
		if in.Above.Start == in.Above.End {
			continue
		}
		if value, ok := in.Check(); ok {
			add(value, in.Above, in.Rng)
		}
	}
	return list
}

// shellMark is a comment # hadolint shell=NAME.
type shellMark struct {
	at   int // the offset of the comment
	name string
}

// shellMarks returns the comments # hadolint shell=NAME in order.
func (f *File) shellMarks() []shellMark {
	if !bytes.Contains(f.Source.Bytes, []byte("shell")) {
		return nil
	}
	var list []shellMark
	for _, n := range f.Syntax.Nodes {
		c, ok := n.(*parser.Comment)
		if !ok {
			continue
		}
		first, last := c.Rng.Lines()
		for i := first; i <= last; i++ {
			text, _, _ := pragmaText(f.Source.Line(i))
			tool, rest := cutWord(text)
			value, ok := strings.CutPrefix(rest, "shell")
			if tool != "hadolint" && tool != "slipway" || !ok {
				continue
			}
			if value = strings.TrimLeft(value, " \t"); strings.HasPrefix(value, "=") {
				name, _ := cutWord(strings.TrimSpace(value[1:]))
				list = append(list, shellMark{f.Source.LineStart(i), name})
			}
		}
	}
	return list
}

// shellAt returns the shell that comments set for an instruction, or "". A comment before the
// first FROM counts for the file, any other for its stage.
func shellAt(marks []shellMark, in *Instruction) string {
	name := ""
	from := in.Stage.Syntax.From.In.Rng.Start
	for _, m := range marks {
		if m.at < in.Syntax.Rng.Start && (m.at > from || in.Stage.Index == 0 || name == "" && m.at < in.Stage.first) {
			name = m.name
		}
	}
	return name
}

// suppress marks the findings that pragmas suppress. It also reports unknown names.
func (p *Pass) suppress(list []*pragma) {
	for _, f := range p.Findings {
		if f.Rule != nil && f.Rule.Name == noInlineIgnore {
			continue
		}
		for _, pr := range list {
			if p.settings.DisablePragmas && !pr.check || !pr.covers(f) {
				continue
			}
			if i := slices.IndexFunc(pr.names, func(n pragmaName) bool { return p.linter.matches(n.name, f) }); i >= 0 {
				f.Ignored = pr.reason
				if f.Ignored == "" {
					f.Ignored = "pragma"
				}
				pr.used = true
			}
		}
	}
	for _, pr := range list {
		if !pr.check {
			p.reportUnknown(pr)
			p.reportUnused(pr)
			p.reportNoReason(pr)
		}
	}
}

// unusedIgnore is the name of the rule that reports pragmas without an effect.
const unusedIgnore = "UnusedIgnore"

// reportUnused reports a pragma that suppresses nothing. Codes of ShellCheck count as used if it
// does not run.
func (p *Pass) reportUnused(pr *pragma) {
	shellCheck := func(n pragmaName) bool { return p.Options.ShellCheck == nil && IsShellCheck(n.name) }
	r := p.linter.byName[strings.ToLower(unusedIgnore)]
	if pr.used || p.severity(r) == Off || slices.ContainsFunc(pr.names, shellCheck) {
		return
	}
	f := &Finding{Rule: r}
	f.Severity, f.Code, f.Range = p.severity(r), r.Name, pr.comment
	f.Message = "the comment suppresses nothing"
	p.Findings = append(p.Findings, f.Fix("delete the comment", true, diag.Edit{Range: pr.comment}))
}

// ignoreWithoutReason is the name of the rule that reports pragmas without a reason.
const ignoreWithoutReason = "IgnoreWithoutReason"

// reportNoReason reports a pragma without a reason.
func (p *Pass) reportNoReason(pr *pragma) {
	r := p.linter.byName[strings.ToLower(ignoreWithoutReason)]
	if pr.reason != "" || len(pr.names) == 0 || p.severity(r) == Off {
		return
	}
	f := &Finding{Rule: r}
	f.Severity, f.Code = p.severity(r), r.Name
	f.Range = pr.names[0].at.Join(pr.names[len(pr.names)-1].at)
	f.Message = "the comment does not state why the finding is suppressed (write the reason after the list)"
	p.Findings = append(p.Findings, f)
}

// covers reports whether the pragma applies to the place of a finding.
func (pr *pragma) covers(f *Finding) bool {
	if pr.scope.IsZero() {
		return false
	}
	at := f.Range.Start
	if f.Range.IsZero() {
		return false
	}
	if pr.scope.Start <= at && at < pr.scope.End {
		return true
	}
	return f.also != nil && pr.scope.Start <= f.also.Rng.Start && f.also.Rng.Start < pr.scope.End
}

// noInlineIgnore is the name of the rule that reports pragmas, which pragmas cannot suppress.
const noInlineIgnore = "NoInlineIgnore"

// reportUnknown reports the names in a pragma that belong to no rule.
func (p *Pass) reportUnknown(pr *pragma) {
	for _, n := range pr.names {
		if p.linter.known(n.name) {
			continue
		}
		f := &Finding{Rule: p.linter.byName["unknownrule"]}
		f.Severity = p.severity(f.Rule)
		f.Code, f.Range = f.Rule.Name, n.at
		f.Message = "unknown rule " + n.name
		if near, ok := suggest.Near(baseName(n.name), p.linter.names); ok {
			f.Hint = "did you mean " + near + "?"
		}
		p.Findings = append(p.Findings, f)
	}
}
