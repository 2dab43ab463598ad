package rules

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"slipway/diag"
	"slipway/lint"
	"slipway/lint/script"
	"slipway/source"
)

// cleanup describes files that a command leaves in the image, and how they are removed.
type cleanup struct {
	fills func(*script.Command) bool // reports whether a command creates the files
	dirs  []string                   // the directories with the files
	clean func(*script.Command) bool // reports whether a command other than rm removes the files; may be nil
	mount []string                   // further directories whose cache mounts hold the files; may be nil
}

// left returns the last command of the instruction whose files remain in the image, or nil. Only
// the layers of shipped stages count.
func (u cleanup) left(in *lint.Instruction) *script.Command {
	if !in.Stage.Shipped || len(in.Scripts) == 0 {
		return nil
	}
	commands := in.Commands()
	var last *script.Command
	for _, c := range commands {
		if u.fills(c) && (last == nil || c.Word.Range.Start > last.Word.Range.Start) {
			last = c
		}
	}
	if last == nil {
		return nil
	}
	for _, dir := range slices.Concat(u.dirs, u.mount) {
		if in.Covered(dir) {
			return nil
		}
	}
	for _, c := range commands {
		if c.Word.Range.Start < last.Word.Range.Start {
			continue
		}
		if u.clean != nil && u.clean(c) {
			return nil
		}
		for _, dir := range u.dirs {
			if removes(c, dir) {
				return nil
			}
		}
	}
	return last
}

// removes reports whether a command removes a directory, its content or a directory above it.
func removes(c *script.Command, dir string) bool {
	switch c.Name {
	case "rm":
		a := c.Arguments(script.Usage{})
		if !a.Has("-r", "-R", "--recursive") {
			return false
		}
		// An operand whose value is not certain may be the directory.
		return a.Opaque || slices.ContainsFunc(a.Operands, func(w script.Word) bool { return containsDir(w.Value, dir) })
	case "find":
		if len(c.Args) == 0 {
			return false
		}
		return containsDir(c.Args[0].Value, dir) && slices.ContainsFunc(c.Args, func(w script.Word) bool {
			return w.Value == "-delete" || w.Value == "rm"
		})
	}
	return false
}

// containsDir reports whether a path of rm, which may contain braces and end with a wildcard,
// contains a directory.
func containsDir(operand, dir string) bool {
	for _, p := range braces(operand) {
		p = strings.TrimSuffix(strings.TrimSuffix(p, "/*"), "/")
		if p == dir || p != "" && strings.HasPrefix(dir, p+"/") {
			return true
		}
		if ok, err := path.Match(p, dir); ok && err == nil {
			return true
		}
	}
	return false
}

// braces expands the first list in braces in a word, such as a{b,c}.
func braces(word string) []string {
	before, rest, ok := strings.Cut(word, "{")
	inner, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{word}
	}
	var list []string
	for part := range strings.SplitSeq(inner, ",") {
		list = append(list, before+part+after)
	}
	return list
}

// reportNames reports the first of several words, and lists all of them in the message. format
// has one verb for the list.
func reportNames(p *lint.Pass, words []script.Word, format string) {
	if len(words) == 0 {
		return
	}
	const most = 5
	names := make([]string, 0, most)
	for _, w := range words[:min(len(words), most)] {
		names = append(names, w.Value)
	}
	list := strings.Join(names, ", ")
	if len(words) > most {
		list += " …"
	}
	p.Report(words[0].Range, format, list)
}

// unpinned returns the words that pinned does not accept.
func unpinned(words []script.Word, pinned func(string) bool) []script.Word {
	var list []script.Word
	for _, w := range words {
		if w.Value != "" && !pinned(w.Value) {
			list = append(list, w)
		}
	}
	return list
}

// hasAnySuffix reports whether s has one of the suffixes.
func hasAnySuffix(s string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(x string) bool { return strings.HasSuffix(s, x) })
}

// hasAnyPrefix reports whether s has one of the prefixes.
func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(x string) bool { return strings.HasPrefix(s, x) })
}

// is reports whether s equals one of the words.
func is(s string, words ...string) bool { return slices.Contains(words, s) }

// written returns a word in the spelling of the command c: a JSON string in exec form.
func written(c *script.Command, word string) string {
	if c.Exec {
		return strconv.Quote(word)
	}
	return word
}

// insertWord returns the edit that inserts a word after the word w of the command c.
func insertWord(c *script.Command, w script.Word, word string) diag.Edit {
	return lint.InsertAfter(w.Range, blank(c)+written(c, word))
}

// blank returns the text between two words of the command c.
func blank(c *script.Command) string {
	if c.Exec {
		return ", "
	}
	return " "
}

// addOption returns the edit that inserts an option after the operand w of the command c, or
// before a preceding "--", after which the program reads no options.
func addOption(c *script.Command, w script.Word, option string) diag.Edit {
	for _, a := range c.Args {
		if a.Value == "--" && a.Range.Start < w.Range.Start {
			return lint.InsertBefore(a.Range, written(c, option)+blank(c))
		}
	}
	return insertWord(c, w, option)
}

// appendCommand returns the fix that appends a command to the script of c. It returns false if
// the script has a form in which this is not possible.
func appendCommand(c *script.Command, command string) (source.Range, string, bool) {
	s := c.Script
	if c.Exec || s.Outer != nil || s.Tree == nil || len(s.Tree.Stmts) == 0 {
		return source.Range{}, "", false
	}
	if len(s.Tree.Last) > 0 {
		return source.Range{}, "", false // a comment at the end would hide the command
	}
	last := s.Tree.Stmts[len(s.Tree.Stmts)-1]
	at := s.NodeRange(last)
	at.Start = at.End
	switch {
	case s.Heredoc:
		return at, "\n" + command, true
	case s.Run == nil || len(s.Run.Heredocs) > 0 || last.Background || last.Semicolon.IsValid():
		return source.Range{}, "", false
	}
	return at, " && " + command, true
}
