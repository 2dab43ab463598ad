package rules

import (
	"strings"

	"slipway/diag"
	"slipway/instructions"
	"slipway/lint"
	"slipway/parser"
	"slipway/source"
)

// trapRules returns the rules about text that Dockerfiles read differently from what it looks
// like.
func trapRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "AlmostJSON", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "An array of strings should be valid JSON",
			Checks:  lint.Checks{Instruction: almostJSON},
		},
		{
			Name: "CommentInArguments", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "Comments should be on lines of their own",
			Checks:  lint.Checks{Instruction: commentInArguments},
		},
		{
			Name: "EqualsWithSpaces", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "ENV and LABEL should have no spaces around =",
			Checks:  lint.Checks{Instruction: equalsWithSpaces},
		},
		{
			Name: "HealthcheckFlagAfterCmd", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "Flags of HEALTHCHECK should precede CMD",
			Checks:  lint.Checks{Instruction: healthcheckFlagAfterCmd},
		},
		{
			Name: "CheckListCut", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "The list of # check= should have no spaces",
			Checks:  lint.Checks{File: checkListCut},
		},
		{
			Name: "DirectiveTooLate", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "Parser directives should be the first lines of the file",
			Checks:  lint.Checks{File: directiveTooLate},
		},
		{
			Name: "InvalidTrigger", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "The trigger of ONBUILD should be a valid instruction",
			Checks:  lint.Checks{Stage: invalidTrigger},
		},
		{
			Name: "SwallowedInstruction", Severity: diag.Error, Hadolint: lint.Off,
			Summary: "A line should not be continued by an instruction",
			Checks:  lint.Checks{Node: swallowedInstruction},
		},
		{
			Name: "PlatformArgDefault", Severity: diag.Warning, Hadolint: lint.Off,
			Summary: "ARG should not set a default for a platform argument",
			Checks:  lint.Checks{File: platformArgDefault},
		},
	}
}

func almostJSON(p *lint.Pass, in *lint.Instruction, _ instructions.Command) {
	near := in.Syntax.NearJSON()
	if near == nil || in.Onbuild {
		return
	}
	f := p.Report(near.Range, "the arguments are no JSON array, so that a shell or a list of words is used: %s", near.Reason)
	text := in.Syntax.Rest
	if typed, ok := in.Syntax.Args.(*parser.Typed); ok {
		raw, ok := typed.Args.(*parser.Raw)
		if !ok {
			return
		}
		text = raw.Word.Text
	}
	s := text.String()
	if strings.ContainsAny(s, "\"\\$") || strings.Count(s, "'")%2 != 0 || !strings.HasSuffix(s, "]") || !strings.Contains(s, "'") {
		return
	}
	f.Fix("use double quotes", false, lint.Replace(text.Range(), strings.ReplaceAll(s, "'", `"`)))
}

func commentInArguments(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	switch cmd.(type) {
	case *instructions.Workdir, *instructions.User, *instructions.StopSignal, *instructions.Copy, *instructions.Volume, *instructions.Arg, *instructions.Expose:
	default:
		return
	}
	rest := in.Syntax.Rest
	s := rest.String()
	i := strings.Index(s, " #")
	if i < 0 || strings.ContainsAny(s[:i], `"'`) || strings.HasPrefix(s, "[") || in.Onbuild {
		return
	}
	comment := rest.Slice(i+1, len(s))
	f := p.Report(comment.Range(), "the comment is part of the arguments")
	if _, last := rest.Range().Lines(); last == in.Syntax.Rng.Position().Line && len(in.Syntax.Heredocs) == 0 {
		end := len(strings.TrimRight(s[:i], " \t"))
		f.Fix("move the comment above the instruction", false,
			lint.InsertBefore(in.Syntax.Rng, comment.String()+"\n"),
			lint.Replace(rest.Slice(end, len(s)).Range(), ""))
	}
}

func equalsWithSpaces(p *lint.Pass, _ *lint.Instruction, cmd instructions.Command) {
	var pairs []parser.Pair
	switch c := cmd.(type) {
	case *instructions.Env:
		if c.Legacy {
			pairs = c.Pairs
		}
	case *instructions.Label:
		if c.Legacy {
			pairs = c.Pairs
		}
	default:
	}
	if len(pairs) != 1 || !strings.HasPrefix(pairs[0].Value.Value, "=") {
		return
	}
	key, value := pairs[0].Key.Text.Range(), pairs[0].Value.Text
	f := p.Report(value.Range(), "the value of %s starts with the character =", pairs[0].Key.Value)
	text := strings.TrimLeft(value.String()[1:], " \t")
	if text == "" || strings.ContainsAny(text, "\"'\\ \t") {
		return
	}
	f.Fix("remove the spaces", false, lint.Replace(source.Range{File: key.File, Start: key.End, End: value.Range().End}, "="+text))
}

func healthcheckFlagAfterCmd(p *lint.Pass, in *lint.Instruction, cmd instructions.Command) {
	if _, ok := cmd.(*instructions.Healthcheck); !ok || in.Onbuild {
		return
	}
	typed, ok := in.Syntax.Args.(*parser.Typed)
	if !ok {
		return
	}
	raw, ok := typed.Args.(*parser.Raw)
	if !ok || !hasAnyPrefix(raw.Word.Value, "--interval=", "--timeout=", "--retries=", "--start-period=", "--start-interval=") {
		return
	}
	s := raw.Word.Text.String()
	end := 0
	for hasAnyPrefix(s[end:], "--interval=", "--timeout=", "--retries=", "--start-period=", "--start-interval=") {
		n := strings.IndexAny(s[end:], " \t")
		if n < 0 {
			end = len(s)
			break
		}
		end += n + len(s[end+n:]) - len(strings.TrimLeft(s[end+n:], " \t"))
	}
	flags := raw.Word.Text.Slice(0, len(strings.TrimRight(s[:end], " \t")))
	f := p.Report(flags.Range(), "the flags are part of the command, because they follow CMD")
	if end < len(s) {
		f.Fix("move the flags before CMD", false,
			lint.InsertBefore(typed.Type.Text.Range(), flags.String()+" "),
			lint.Replace(raw.Word.Text.Slice(0, end).Range(), ""))
	}
}

func checkListCut(p *lint.Pass) {
	for n := 1; n <= p.File.Source.Lines(); n++ {
		line := p.File.Source.Line(n)
		text := strings.TrimLeft(line, "# \t")
		if !strings.HasPrefix(strings.TrimLeft(line, " \t"), "#") || !strings.HasPrefix(text, "check") || inHeredoc(p.File.Syntax, p.File.Source.LineStart(n)) {
			continue
		}
		value := strings.TrimLeft(text[len("check"):], " \t")
		if !strings.HasPrefix(value, "=") {
			continue
		}
		i := strings.Index(value, ", ")
		if i < 0 || strings.Contains(strings.TrimLeft(value[1:i], " \t"), " ") {
			continue
		}
		start := p.File.Source.LineStart(n) + len(line) - len(value)
		names := len(value[i+1:]) - len(strings.TrimLeft(value[i+1:], " \t"))
		gap := source.Range{File: p.File.Source, Start: start + i + 1, End: start + i + 1 + names}
		p.Report(gap, "the names after the space are ignored").Fix("remove the space", true, lint.Replace(gap, ""))
	}
}

func directiveTooLate(p *lint.Pass) {
	for _, n := range p.File.Syntax.Nodes {
		switch n := n.(type) {
		case *parser.Instruction:
			return
		case *parser.Comment:
			first, last := n.Rng.Lines()
			for i := first; i <= last; i++ {
				lateDirective(p, i)
			}
		case *parser.Blank, *parser.Directive:
		}
	}
}

// lateDirective reports a comment that looks like a parser directive.
func lateDirective(p *lint.Pass, n int) {
	line := p.File.Source.Line(n)
	text := strings.TrimLeft(line, "# \t")
	name, value, ok := strings.Cut(text, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	value = strings.TrimSpace(value)
	if !ok || value == "" || strings.ContainsAny(value, " \t") && name != "syntax" || !is(name, "syntax", "escape", "sintax", "syntx", "synax", "escpae") {
		return
	}
	start := p.File.Source.LineStart(n)
	at := source.Range{File: p.File.Source, Start: start + len(line) - len(text), End: start + len(line)}
	if is(name, "syntax", "escape") {
		p.Report(at, "the directive has no effect, because it follows a comment or an empty line (move it to the first line)")
	} else {
		p.Report(at, "unknown directive %s, which has no effect", name)
	}
}

func invalidTrigger(p *lint.Pass, st *lint.Stage) {
	for _, in := range st.Instructions {
		sub, ok := in.Syntax.Args.(*parser.Sub)
		if _, onbuild := in.Command.(*instructions.Onbuild); !ok || !onbuild {
			continue
		}
		if _, d := instructions.ParseOne(sub.Instruction); d != nil {
			f := p.Report(d.Range, "builds based on the image fail: %s", d.Message)
			f.Hint = d.Hint
		}
	}
}

// keywords returns the keywords of all instructions.
func keywords() []string {
	return []string{"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
}

func swallowedInstruction(p *lint.Pass, in *parser.Instruction) {
	head := in.Head()
	first, last := head.Lines()
	before := strings.TrimSpace(p.File.Source.Line(first))
	quotes := strings.Count(before, `"`) + strings.Count(before, "'")
	for n := first + 1; n <= last; n++ {
		line := p.File.Source.Line(n)
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' {
			continue
		}
		keyword, _, ok := strings.Cut(text, " ")
		end := strings.TrimRight(strings.TrimSuffix(before, string(rune(p.File.Syntax.Escape))), " \t")
		if ok && is(keyword, keywords()...) && quotes%2 == 0 && !hasAnySuffix(end, "&&", "||", "|", ";", "(", "{", "then", "do", "else", "=", "echo") {
			start := p.File.Source.LineStart(n) + strings.Index(line, keyword)
			at := source.Range{File: p.File.Source, Start: start, End: start + len(keyword)}
			p.Report(at, "%s is text of the %s above, because the line before ends with %c", keyword, strings.ToUpper(in.Keyword.String()), p.File.Syntax.Escape)
			return
		}
		quotes += strings.Count(text, `"`) + strings.Count(text, "'")
		before = text
	}
}

func platformArgDefault(p *lint.Pass) {
	check := func(c *instructions.Arg) {
		for _, a := range c.Args {
			if a.Default == nil || !is(a.Key, "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT") {
				continue
			}
			f := p.Report(a.Word.Text.Range(), "the default replaces the platform of the build")
			if a.Word.Text.String() == a.Word.Value {
				f.Fix("remove the default", false, lint.Replace(a.Word.Text.Range(), a.Key))
			}
		}
	}
	for _, c := range p.File.Dockerfile.Args {
		check(c)
	}
	for _, st := range p.File.Stages {
		for _, in := range st.Instructions {
			if c, ok := in.Command.(*instructions.Arg); ok && !in.Onbuild && !st.Orphan {
				check(c)
			}
		}
	}
}
