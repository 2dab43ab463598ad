package source

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"slipway/solver/tree"
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
func (m *gitModule) checkRules(at string, b tree.Blob) error {
	for dir := at; dir != ""; {
		if dir = path.Dir(dir); dir == "." {
			dir = ""
		}
		for _, r := range m.rules[dir] {
			if ok, err := path.Match(r.pattern, path.Base(at)); !ok && err == nil && r.pattern != "**" {
				continue
			}
			converted, err := m.converted(r, b)
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

// converted tells whether a rule changes a file: line endings of text, $Id$, or
// the encoding.
func (m *gitModule) converted(r gitRule, b tree.Blob) (bool, error) {
	f, err := m.r.s.Store.Open(b)
	if err != nil {
		return false, err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return false, nil // binary
	}
	switch r.what {
	case "ident":
		return bytes.Contains(data, []byte("$Id")), nil
	case "eol=crlf":
		return bytes.Count(data, []byte("\n")) > bytes.Count(data, []byte("\r\n")), nil
	}
	return len(data) > 0, nil
}
