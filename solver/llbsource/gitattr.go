package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/moby/buildkit/util/gitutil"

	"slipway/solver/tree"
)

// gitRule is a line of a .gitattributes file that can make git convert the content of
// files at checkout. Converted files are read from a checkout by the git program.
type gitRule struct {
	pattern   string // matches base names; the directories of the line's pattern are ignored
	attribute string // for example eol=crlf
}

// readRules parses the .gitattributes file in the directory t and stores the rules in
// m.rules. The parameter at is the path of t. If the directory has no such file,
// readRules does nothing.
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

// parseRules returns the rules of a .gitattributes file that convert files. It ignores
// lines that disable a conversion, so it may return too many rules, never too few.
func parseRules(text string) []gitRule {
	var rules []gitRule
	converts := map[string]bool{"eol=crlf": true, "ident": true, "working-tree-encoding": true}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(strings.TrimSuffix(line, "\n")) > maxRuleLine || len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
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

// conversion returns a rule by which git may convert the file f at checkout, or nil if git does not
// convert it. The parameter file is the path of f.
func (m *gitModule) conversion(file string, f *gitFile) (*gitRule, error) {
	for dir := file; dir != ""; {
		if dir = path.Dir(dir); dir == "." {
			dir = ""
		}
		for _, r := range m.rules[dir] {
			name := path.Base(file)
			if err := m.r.left.spend(gitBudget{steps: int64(len(name) * len(r.pattern))}); err != nil {
				return nil, err
			}
			if ok, err := path.Match(r.pattern, name); !ok && err == nil && r.pattern != "**" {
				continue
			}
			converted, err := m.converted(r, f)
			if err != nil {
				return nil, err
			}
			if converted {
				return &r, nil
			}
		}
	}
	return nil, nil
}

// convert returns the content that git gives the file at a path of m when it checks out the commit.
// The git program checks out the commit once.
func (m *gitModule) convert(ctx context.Context, at string) (tree.Blob, error) {
	if m.program == nil {
		if err := m.startProgram(ctx); err != nil {
			return tree.Blob{}, err
		}
	}
	files, err := os.OpenRoot(filepath.Join(m.program.dir, programFiles))
	if err != nil {
		return tree.Blob{}, err
	}
	defer files.Close()
	f, err := files.Open(filepath.FromSlash(at))
	if err != nil {
		return tree.Blob{}, err
	}
	b, err := m.r.s.Store.Put(tree.Reader(ctx, f))
	return b, errors.Join(err, f.Close())
}

// startProgram checks out the commit of m with the git program.
func (m *gitModule) startProgram(ctx context.Context) error {
	pack, ok := m.EncodedObjectStorer.(*gitPack)
	if !ok {
		return errors.New("the objects of the repository are not in a pack")
	}
	p, err := newGitProgram(ctx, m.r.s.Temp, "converting files", "sha1", gitutil.WithExec(runProgram))
	if err != nil {
		return err
	}
	m.program = p
	commit := m.commit.String()
	if err := p.addPack(ctx, pack, commit); err != nil {
		return err
	}
	return p.checkOut(ctx, commit)
}

// closeProgram removes the files of the git program.
func (m *gitModule) closeProgram() {
	if m.program != nil {
		_ = m.program.close() // the files have been read
		m.program = nil
	}
}

// converted reports whether a .gitattributes rule makes git change the content of a file
// at checkout: its line endings (text, eol), $Id$ (ident) or its encoding
// (working-tree-encoding).
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
	case r.attribute == "ident":
		return f.text.ident, nil
	case r.attribute == "eol=crlf":
		return f.text.unixLines, nil
	}
	return f.blob.Size > 0, nil
}

// gitText holds the properties of a file's content that decide whether git converts it.
type gitText struct {
	binary    bool // contains a NUL byte
	ident     bool // contains $Id
	unixLines bool // contains a line without a carriage return
}

// scanText returns the properties of a file's content. It reads a text completely, and a
// binary file up to the first NUL byte.
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
