package source

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// gitRule is a line of .gitattributes with which git may write other bytes than
// it stores.
type gitRule struct {
	pattern string // of names; those of directories before it do not matter
	what    string
}

// readRules reads the .gitattributes of a directory.
func (m *gitModule) readRules(t *object.Tree, at string) error {
	for _, e := range t.Entries {
		if e.Name != ".gitattributes" || !e.Mode.IsRegular() {
			continue
		}
		text, err := m.raw(plumbing.BlobObject, e.Hash)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Join(at, e.Name), err)
		}
		m.rules[at] = parseRules(string(text))
	}
	return nil
}

// parseRules takes the lines that convert files. Those that take a conversion
// back are not looked for: a file that may be converted is one too many.
func parseRules(text string) []gitRule {
	var rules []gitRule
	converts := map[string]bool{"eol=crlf": true, "ident": true, "working-tree-encoding": true}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		macro, isMacro := strings.CutPrefix(fields[0], "[attr]")
		for _, f := range fields[1:] {
			name, _, _ := strings.Cut(f, "=")
			if !converts[f] && !converts[name] {
				continue
			}
			if isMacro {
				converts[macro] = true
			} else {
				rules = append(rules, gitRule{path.Base(strings.Trim(fields[0], `"`)), f})
			}
		}
	}
	return rules
}

// checkRules refuses a file that git would write with other bytes.
func (m *gitModule) checkRules(at string, f *gitFile) error {
	for dir := at; dir != ""; {
		if dir = path.Dir(dir); dir == "." {
			dir = ""
		}
		for _, r := range m.rules[dir] {
			if err := m.r.left.spend(gitBudget{matches: 1}); err != nil {
				return err
			}
			if ok, err := path.Match(r.pattern, path.Base(at)); !ok && err == nil && r.pattern != "**" {
				continue
			}
			converted, err := m.converted(r, f)
			if err != nil {
				return err
			}
			if converted {
				return fmt.Errorf("file %q: converting it as the attribute %s of .gitattributes says needs BuildKit", at, r.what)
			}
		}
	}
	return nil
}

// converted reports whether a rule changes a file: line endings of text, $Id$, or
// the encoding.
func (m *gitModule) converted(r gitRule, f *gitFile) (bool, error) {
	if f.text == nil {
		content, err := m.r.s.Store.Open(f.blob)
		if err != nil {
			return false, err
		}
		t, err := scanText(content)
		if err = errors.Join(err, content.Close()); err != nil {
			return false, err
		}
		f.text = &t
	}
	switch {
	case f.text.binary:
		return false, nil
	case r.what == "ident":
		return f.text.ident, nil
	case r.what == "eol=crlf":
		return f.text.unixLines, nil
	}
	return f.blob.Size > 0, nil
}

// gitText is what conversions depend on in the content of a file.
type gitText struct {
	binary    bool // a byte is zero
	ident     bool // there is a $Id
	unixLines bool // a line ends without a carriage return
}

// scanText reads a text, or a binary file up to the first byte that is zero.
func scanText(r io.Reader) (gitText, error) {
	const mark = "$Id"
	var t gitText
	var last byte
	matched := 0 // bytes of mark
	for chunk := make([]byte, 64<<10); ; {
		n, err := r.Read(chunk)
		for _, c := range chunk[:n] {
			switch {
			case c == 0:
				t.binary = true
				return t, nil
			case c == mark[matched]:
				matched++
			default:
				matched = 0
				if c == mark[0] {
					matched = 1
				}
			}
			if matched == len(mark) {
				t.ident, matched = true, 0
			}
			t.unixLines = t.unixLines || c == '\n' && last != '\r'
			last = c
		}
		switch {
		case errors.Is(err, io.EOF):
			return t, nil
		case err != nil:
			return t, err
		}
	}
}
