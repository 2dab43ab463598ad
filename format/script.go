package format

import (
	"bytes"
	"errors"
	"path"
	"strings"
	"unicode"

	"slipway/format/scriptlayout"
	"slipway/parser"
)

// shellOf is the shell that runs the commands of an instruction.
type shellOf struct {
	dialect scriptlayout.Dialect
	ok      bool // whether the shell is known, and its scripts can be laid out
}

// shells returns the shell of each instruction: the default or, after SHELL, the named one. A
// stage inherits the shell of the stage that it starts from.
func shells(f *parser.File) []shellOf {
	posix, _ := scriptlayout.ShellDialect("sh")
	initial := shellOf{posix, f.Escape == '\\'} // a file with back-ticks is usually for Windows
	stages := map[string]shellOf{}
	list := make([]shellOf, 0, len(f.Nodes))
	now, name := initial, ""
	for _, in := range f.Instructions() {
		switch strings.ToLower(in.Keyword.String()) {
		case "from":
			now, name = initial, ""
			if w, ok := in.Args.(*parser.Words); ok && len(w.Words) > 0 {
				if base, ok := stages[strings.ToLower(w.Words[0].Value)]; ok {
					now = base
				}
				if len(w.Words) == 3 {
					name = strings.ToLower(w.Words[2].Value)
				}
			}
		case "shell":
			now = shellOf{}
			if a, ok := in.Args.(*parser.JSON); ok && len(a.Words) > 0 {
				now.dialect, now.ok = scriptlayout.ShellDialect(a.Words[0].Value)
			}
		}
		if name != "" {
			stages[name] = now
		}
		list = append(list, now)
	}
	return list
}

// isScript reports whether the text of an instruction in the shell form runs in a shell.
func isScript(in *parser.Instruction) bool {
	switch strings.ToLower(in.Keyword.String()) {
	case "run", "cmd", "entrypoint", "healthcheck":
		return true
	}
	return false
}

// scriptLine is a line of a command, with the comments above it.
type scriptLine struct {
	text     string
	comments []string
}

// scriptLines returns the lines of the command [start, end) of an instruction. It omits empty
// lines.
func (p *printer) scriptLines(start, end int) []scriptLine {
	var list []scriptLine
	var comments []string
	for first := true; start < end; first = false {
		_, text, next := p.line(start)
		last := next >= end
		text = min(text, end)
		token := bytes.TrimLeftFunc(p.src[start:text], unicode.IsSpace)
		switch {
		case !first && !last && len(token) == 0:
		case !first && !last && token[0] == '#':
			comments = append(comments, string(token[:trimBlanks(token, 0, len(token))]))
		default:
			if at := p.continuation(start, text); !last && at > start && p.src[at-1] == p.file.Escape {
				text = at - 1
			}
			list = append(list, scriptLine{string(p.src[start:text]), comments})
			comments = nil
		}
		start = next
	}
	return list
}

// script lays out the command a of an instruction, which follows the offset before. It returns
// false if the command stays as it is.
func (p *printer) script(a part, before int, shell shellOf) (string, error) {
	lines := p.scriptLines(a.start, a.end)
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	ownLine := bytes.IndexByte(p.src[before:a.start], '\n') >= 0
	result, err := scriptlayout.Lines(texts, ownLine, p.scriptOptions(shell))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var comments []string
	for i, l := range result {
		comments = append(comments, lines[i].comments...)
		if l.Text == "" {
			continue
		}
		indent := strings.Repeat(p.opt.Indent, l.Depth)
		if b.Len() > 0 {
			b.WriteString(" " + string(rune(p.file.Escape)) + p.lineEnd)
			for _, c := range comments {
				b.WriteString(indent + c + p.lineEnd)
			}
			b.WriteString(indent)
			comments = nil
		}
		b.WriteString(l.Text)
	}
	return b.String(), nil
}

// scriptOptions returns the options for scripts of the given shell.
func (p *printer) scriptOptions(shell shellOf) scriptlayout.Options {
	opt := p.opt.Script
	opt.Indent, opt.Dialect = p.opt.Indent, shell.dialect
	return opt
}

// body lays out the body of a heredoc. The result ok is false if the body is not a script.
func (p *printer) body(in *parser.Instruction, h parser.Heredoc, shell shellOf) (text string, ok bool, err error) {
	content := h.Content()
	shell, ok = p.bodyShell(in, h, shell)
	if !ok || strings.Contains(content, "\r") {
		return "", false, nil
	}
	end := h.End.String()
	margin := end[:len(end)-len(strings.TrimLeft(end, "\t"))]
	text, err = scriptlayout.Body(content, p.scriptOptions(shell), h.Chomp, margin)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == h.Name || h.Chomp && strings.TrimLeft(line, "\t") == h.Name {
			return "", true, errEnds
		}
	}
	return text, true, err
}

// errEnds is the reason for which the layout of a heredoc with an indented terminator is refused.
var errEnds = errors.New("a line of the script would end the heredoc")

// bodyShell returns the shell that runs the body of a heredoc: of RUN <<NAME, of RUN bash <<'NAME',
// and, if the options select them, of COPY <<name.sh.
func (p *printer) bodyShell(in *parser.Instruction, h parser.Heredoc, shell shellOf) (shellOf, bool) {
	content := h.Content()
	if h.Chomp {
		content = parser.Chomp(content)
	}
	dialect, found, ok := scriptlayout.Shebang(content)
	if found {
		shell = shellOf{dialect, ok}
	}
	rest := strings.TrimSpace(in.Rest.String())
	switch strings.ToLower(in.Keyword.String()) {
	case "run":
		if len(in.Heredocs) != 1 {
			return shell, false
		}
		if rest == h.Word.String() {
			return shell, shell.ok
		}
		command, ok := strings.CutSuffix(rest, h.Word.String())
		words := strings.Fields(command)
		if !ok || h.Expand || len(words) == 0 {
			return shell, false
		}
		for _, w := range words[1:] {
			if !strings.HasPrefix(w, "-") || strings.HasPrefix(w, "--") || strings.Contains(w, "c") {
				return shell, false
			}
		}
		dialect, ok := scriptlayout.ShellDialect(words[0])
		return shellOf{dialect, ok}, ok
	case "copy", "add":
		if !p.opt.ShellFiles || h.Expand && strings.ContainsAny(content, "\\$") {
			return shell, false
		}
		if !found && path.Ext(h.Name) == ".sh" {
			shell.dialect, shell.ok = scriptlayout.ShellDialect("bash")
			found = true
		}
		return shell, found && shell.ok
	}
	return shell, false
}
