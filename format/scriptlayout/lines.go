package scriptlayout

import (
	"errors"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Line is a line of a continued command.
type Line struct {
	Depth int    // the level of indentation; 0 for the first line
	Text  string // the text without indentation; "" if the line goes
}

// command is a continued command that is laid out.
type command struct {
	text   string // the lines, joined as BuildKit does
	starts []int  // the offset of each line in text
	tree   *syntax.File
	opt    Options

	words  []span // the words: their white space has a meaning
	depths []int  // the level of each line
	lines  []string
	ops    []operator
}

// span is the part [start, end) of a text.
type span struct{ start, end int }

// operator is && or | between two commands.
type operator struct {
	text        string
	offset      int
	left, right int // the end of the command before it, the start of the command after it
}

// Lines lays out a command that is continued over lines. The argument contains the lines without
// the escape characters at their ends, and without comments. If ownLine is true, the first line
// follows flags on earlier lines. The result has an element for each line.
func Lines(lines []string, ownLine bool, opt Options) ([]Line, error) {
	result, err := layOut(lines, ownLine, opt)
	if err != nil {
		return nil, err
	}
	var texts []string
	var want []Line
	for _, l := range result {
		if l.Text != "" {
			texts = append(texts, strings.Repeat(opt.Indent, l.Depth)+l.Text+" ")
			want = append(want, l)
		}
	}
	if again, err := layOut(texts, ownLine, opt); err != nil || !slices.Equal(again, want) {
		return nil, errUnstable
	}
	return result, nil
}

// layOut lays out a command like Lines. It does not check that the result is stable.
func layOut(lines []string, ownLine bool, opt Options) ([]Line, error) {
	c := &command{text: strings.Join(lines, ""), opt: opt}
	at := 0
	for _, line := range lines {
		c.starts = append(c.starts, at)
		at += len(line)
	}
	var dialect Dialect
	var err error
	if c.tree, dialect, err = parse(c.text, opt.Dialect); err != nil {
		return nil, err
	}
	if err := c.scan(); err != nil {
		return nil, err
	}
	c.setDepths(ownLine)
	c.squeeze()
	c.moveOperators()
	out := make([]Line, len(lines))
	var joined strings.Builder
	for i, text := range c.lines {
		out[i] = Line{Depth: c.depths[i], Text: text}
		joined.WriteString(text + " ")
	}
	if !same(c.tree, joined.String(), dialect) {
		return nil, errChanged
	}
	return out, nil
}

// Errors for commands whose lines have a meaning.
var (
	errQuoted  = errors.New("a line begins inside of a quoted string or an expansion")
	errWord    = errors.New("a line ends in the middle of a word")
	errComment = errors.New("a comment of the shell contains a continued line")
	errHeredoc = errors.New("the command contains a heredoc")
)

// scan collects the words and operators of the command. It returns an error if the lines have a
// meaning for the shell.
func (c *command) scan() error {
	var err error
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		if n == nil || err != nil {
			return false
		}
		s := spanOf(n)
		switch n := n.(type) {
		case *syntax.Comment:
			err = c.unbroken(s, errComment)
			c.words = append(c.words, s)
		case *syntax.SglQuoted, *syntax.DblQuoted, *syntax.ArithmExp, *syntax.ArithmCmd, *syntax.LetClause:
			err = c.unbroken(s, errQuoted)
			c.words = append(c.words, s)
		case *syntax.ParamExp:
			err = c.unbroken(s, errQuoted)
		case *syntax.Lit:
			err = c.unbroken(s, errWord)
			c.words = append(c.words, s)
		case *syntax.Word:
			err = c.wholeWord(n)
			c.words = append(c.words, s)
		case *syntax.TestClause:
			c.words = append(c.words, s)
		case *syntax.Redirect:
			if n.Hdoc != nil || n.Op == syntax.Hdoc || n.Op == syntax.DashHdoc {
				err = errHeredoc
			}
		case *syntax.BinaryCmd:
			c.ops = append(c.ops, operator{n.Op.String(), int(n.OpPos.Offset()), spanOf(n.X).end, spanOf(n.Y).start})
		}
		return true
	})
	slices.SortFunc(c.words, func(a, b span) int { return a.start - b.start })
	return err
}

// spanOf returns the part of the text that a node covers.
func spanOf(n syntax.Node) span { return span{int(n.Pos().Offset()), int(n.End().Offset())} }

// unbroken returns err if a line begins inside of s.
func (c *command) unbroken(s span, err error) error {
	if i := c.lineAfter(s.start); i < len(c.starts) && c.starts[i] < s.end {
		return err
	}
	return nil
}

// lineAfter returns the index of the first line that starts after the offset.
func (c *command) lineAfter(offset int) int {
	i, _ := slices.BinarySearch(c.starts, offset+1)
	return i
}

// lineOf returns the index of the line that contains the offset.
func (c *command) lineOf(offset int) int { return c.lineAfter(offset) - 1 }

// wholeWord returns errWord if a line begins in a word, other than inside of $( ).
func (c *command) wholeWord(w *syntax.Word) error {
	s := spanOf(w)
	for i := c.lineAfter(s.start); i < len(c.starts) && c.starts[i] < s.end; i++ {
		inside := slices.ContainsFunc(w.Parts, func(p syntax.WordPart) bool {
			switch p.(type) {
			case *syntax.CmdSubst, *syntax.ProcSubst:
				part := spanOf(p)
				return part.start < c.starts[i] && c.starts[i] < part.end
			}
			return false
		})
		if !inside {
			return errWord
		}
	}
	return nil
}

// squeeze sets the text of each line, with one blank between words.
func (c *command) squeeze() {
	gaps := c.redirectGaps()
	next := 0 // the first word that may contain the offset
	for i, start := range c.starts {
		end := len(c.text)
		if i+1 < len(c.starts) {
			end = c.starts[i+1]
		}
		var line []byte
		for at := start; at < end; at++ {
			if to, ok := gaps[at]; ok {
				if *c.opt.SpaceRedirects {
					line = append(line, ' ')
				}
				at = to
			}
			for next < len(c.words) && c.words[next].end <= at {
				next++
			}
			ch := c.text[at]
			isGap := (ch == ' ' || ch == '\t') && (next == len(c.words) || at < c.words[next].start)
			switch {
			case !isGap:
				line = append(line, ch)
			case len(line) > 0 && line[len(line)-1] != ' ':
				line = append(line, ' ')
			}
		}
		c.lines = append(c.lines, strings.Trim(string(line), " \t"))
	}
}

// redirectGaps returns the offset after each redirection operator with the offset of the word that
// follows on the same line. It returns nil if the blanks between them stay.
func (c *command) redirectGaps() map[int]int {
	if c.opt.SpaceRedirects == nil {
		return nil
	}
	gaps := map[int]int{}
	syntax.Walk(c.tree, func(n syntax.Node) bool {
		r, ok := n.(*syntax.Redirect)
		if !ok || r.Op == syntax.DplIn || r.Op == syntax.DplOut {
			return true
		}
		start, end := int(r.OpPos.Offset())+len(r.Op.String()), int(r.Word.Pos().Offset())
		if c.lineOf(start) == c.lineOf(end) {
			gaps[start] = end
		}
		return true
	})
	return gaps
}

// moveOperators moves the operators between lines to the start or the end of lines.
func (c *command) moveOperators() {
	leading, trailing := 0, 0
	for _, op := range c.ops {
		before, at, after := c.lineOf(op.left-1), c.lineOf(op.offset), c.lineOf(op.right)
		switch {
		case before == at && at < after:
			trailing++
		case before < at && at == after:
			leading++
		}
	}
	lead := leading >= trailing
	if c.opt.BinaryNextLine != nil {
		lead = *c.opt.BinaryNextLine
	}
	for _, op := range c.ops {
		before, at, after := c.lineOf(op.left-1), c.lineOf(op.offset), c.lineOf(op.right)
		switch {
		case lead && before == at && at < after && strings.HasSuffix(c.lines[at], op.text):
			c.lines[at] = strings.TrimRight(strings.TrimSuffix(c.lines[at], op.text), " \t")
			c.lines[after] = op.text + " " + c.lines[after]
		case !lead && before < at && at == after && strings.HasPrefix(c.lines[at], op.text):
			c.lines[before] += " " + op.text
			c.lines[at] = strings.TrimLeft(strings.TrimPrefix(c.lines[at], op.text), " \t")
		}
	}
}
