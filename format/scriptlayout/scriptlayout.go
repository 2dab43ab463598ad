// Package scriptlayout lays out shell scripts in Dockerfiles.
//
// Lines lays out a command that is continued over lines, which a shell sees as one line. Body lays
// out the body of a heredoc. Both prove their result: the syntax tree of the script is the same
// before and after, and so are its comments. A script for which this does not hold, or whose layout
// has a meaning, is an error that names the reason.
package scriptlayout

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// maxScript is the maximum size of a script in bytes.
const maxScript = 64 << 10

// Options configures the layout of scripts. A nil field leaves the choice to the script.
type Options struct {
	Indent           string // one level of indentation, blanks or a tab
	BinaryNextLine   *bool  // whether && and | lead lines
	SpaceRedirects   *bool  // whether a blank follows redirection operators
	SwitchCaseIndent bool   // whether the patterns of case are indented
	FunctionNextLine bool   // whether the opening brace of a function is on a line of its own
	Dialect          Dialect
}

// Dialect is the language of a script.
type Dialect = syntax.LangVariant

// Errors for scripts that are not laid out.
var (
	errLarge    = errors.New("the script is larger than 64 KiB")
	errTemplate = errors.New("the script contains marks of a template")
	errChanged  = errors.New("the layout would change the script")
	errUnstable = errors.New("the layout of the script would change again")
)

// ShellDialect returns the dialect of the shell program with the given name or path, such as
// /bin/bash. ok is false if the program is not a known shell.
func ShellDialect(program string) (d Dialect, ok bool) {
	name := path.Base(strings.ReplaceAll(program, `\`, "/"))
	switch strings.TrimSuffix(strings.ToLower(name), ".exe") {
	case "sh", "dash", "ash", "busybox":
		return syntax.LangPOSIX, true
	case "bash":
		return syntax.LangBash, true
	case "ksh", "mksh":
		return syntax.LangMirBSDKorn, true
	}
	return 0, false
}

// Shebang returns the dialect that the first line of a script selects, such as #!/bin/bash. found
// is false if the script does not start with #!, and ok is false if its program is not a known
// shell.
func Shebang(text string) (d Dialect, found, ok bool) {
	line, _, _ := strings.Cut(text, "\n")
	line, found = strings.CutPrefix(line, "#!")
	words := strings.Fields(line)
	if len(words) > 1 && path.Base(words[0]) == "env" {
		words = words[1:]
	}
	if len(words) == 0 {
		return 0, found, false
	}
	d, ok = ShellDialect(words[0])
	return d, found, ok
}

// parse parses a script. A script that is not valid in its dialect is parsed as bash. The result d
// is the dialect in which the script is valid.
func parse(text string, want Dialect) (f *syntax.File, d Dialect, err error) {
	switch {
	case len(text) > maxScript:
		return nil, 0, errLarge
	case strings.Contains(text, "{{") || strings.Contains(text, "<%"):
		return nil, 0, errTemplate
	}
	f, err = parseAs(text, want)
	if err != nil && want != syntax.LangBash {
		if g, bashErr := parseAs(text, syntax.LangBash); bashErr == nil {
			return g, syntax.LangBash, nil
		}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("the script is not valid: %w", err)
	}
	return f, want, nil
}

func parseAs(text string, d Dialect) (*syntax.File, error) {
	return syntax.NewParser(syntax.KeepComments(true), syntax.Variant(d)).Parse(strings.NewReader(text), "")
}

// same reports whether the script with the given text has the tree and the comments of f.
func same(f *syntax.File, text string, d Dialect) bool {
	g, err := parseAs(text, d)
	if err != nil || !slices.Equal(comments(f), comments(g)) {
		return false
	}
	a, errA := minified(f)
	b, errB := minified(g)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// minified prints the tree without any layout.
func minified(f *syntax.File) ([]byte, error) {
	var b bytes.Buffer
	err := syntax.NewPrinter(syntax.Minify(true)).Print(&b, f)
	return b.Bytes(), err
}

// comments returns the texts of the comments, each with the first word after it.
func comments(f *syntax.File) []string {
	var list []string
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Comment:
			list = append(list, "#"+strings.TrimRight(n.Text, " \t"))
		case *syntax.Lit:
			if len(list) > 0 && strings.HasPrefix(list[len(list)-1], "#") {
				list = append(list, n.Value)
			}
		}
		return true
	})
	return list
}

// Body lays out the body of a heredoc. If chomp is true, the heredoc starts with <<- and its lines
// are indented with tabs; margin is the indentation of the line that ends it.
func Body(text string, opt Options, chomp bool, margin string) (string, error) {
	result, err := body(text, opt, chomp, margin)
	if err != nil {
		return "", err
	}
	if again, err := body(result, opt, chomp, margin); err != nil || again != result {
		return "", errUnstable
	}
	return result, nil
}

// body lays out the body of a heredoc like Body. It does not check that the result is stable.
func body(text string, opt Options, chomp bool, margin string) (string, error) {
	plain := text
	if chomp {
		plain = mapLines(text, func(line string) string { return strings.TrimLeft(line, "\t") })
	}
	f, dialect, err := parse(plain, opt.Dialect)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := printer(opt, chomp).Print(&b, f); err != nil {
		return "", err
	}
	out := b.String()
	result := out
	if chomp {
		result = mapLines(out, func(line string) string {
			if strings.TrimRight(line, "\r\n") == "" {
				return line
			}
			return margin + line
		})
		out = mapLines(out, func(line string) string { return strings.TrimLeft(line, "\t") })
	}
	if !same(f, out, dialect) {
		return "", errChanged
	}
	return result, nil
}

// printer returns a printer with the options. If tabs is true, it indents with tabs.
func printer(opt Options, tabs bool) *syntax.Printer {
	indent := uint(len(opt.Indent))
	if tabs || strings.HasPrefix(opt.Indent, "\t") {
		indent = 0
	}
	return syntax.NewPrinter(
		syntax.Indent(indent),
		syntax.BinaryNextLine(opt.BinaryNextLine == nil || *opt.BinaryNextLine),
		syntax.SpaceRedirects(opt.SpaceRedirects != nil && *opt.SpaceRedirects),
		syntax.SwitchCaseIndent(opt.SwitchCaseIndent),
		syntax.FunctionNextLine(opt.FunctionNextLine),
	)
}

// mapLines replaces each line of text, which includes its line end, by the result of f.
func mapLines(text string, f func(string) string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(f(line))
	}
	return b.String()
}
