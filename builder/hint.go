package builder

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/ignore"
	"slipway/internal/regularfile"
	"slipway/source"
)

// missingFile extracts the path from the text of an error about a COPY source or mount source
// that does not exist. It recognizes the errors of this builder and of BuildKit. For other
// texts it returns false.
func missingFile(text string) (string, bool) {
	m := regexp.MustCompile(`"(/[^"]*)": not found$|copy (/[^"]*): not found$|lstat (/[^"]*): no such file or directory$|mount .*: (/.*) does not exist in what is mounted$`).FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return strings.Join(m[1:], ""), true
}

// hint adds two things to err, if it finds them: the range of the word in the Dockerfile that
// caused the error, and a hint on how to fix the error. If hint finds neither, it returns err
// unchanged.
func (p *inputs) hint(o *Options, err error) error {
	var found *diag.Diagnostic
	if err == nil || errors.As(err, &found) {
		return err
	}
	d := diagnostic(err)
	pointed := p.point(o, d, err) || explainStep(d, err)
	if near := nearJSON(d.Shown()); near != nil {
		d.Hint = ""
		return d.Note(near.Range, "this is not a JSON array: %s", near.Reason)
	}
	if pointed {
		return d
	}
	return err
}

// point looks for the word in the Dockerfile that caused err. If it finds such a word, it
// narrows the range of d, the diagnostic for err, from the whole instruction to the word,
// adds a hint to d where possible, and returns true.
func (p *inputs) point(o *Options, d *diag.Diagnostic, err error) bool {
	text := err.Error()
	name, missing := missingFile(text)
	switch {
	case d.Range.IsZero():
	case missing:
		if w, ok := p.wordOf(d.Range, name); ok {
			d.Range, d.Context = w.at, d.Range
			d.Message += p.pathHint(o, err, &w, name)
			return true
		}
	case strings.HasSuffix(text, path.ErrBadPattern.Error()):
		if word, in, ok := p.badPattern(d.Range.File); ok {
			d.Range, d.Context = word.Text.Range(), in
			d.Hinted("%q is a pattern without its end: write [[] for the character [", word.Value)
			return true
		}
	}
	return false
}

// ignoredBy returns a hint if the ignore file excludes a file, and otherwise "". The hint
// quotes the pattern that excludes the file, with its line number. The parameter dir is the
// path of the build context, and name is the path of the file in the context, with a leading
// slash.
func ignoredBy(o *Options, dir, name string) string {
	files := []string{o.file() + ignoreSuffix, filepath.Join(dir, ignoreSuffix)}
	i := slices.IndexFunc(files, isFile)
	if i < 0 {
		return ""
	}
	data, err := regularfile.Read(files[i])
	if err != nil {
		return ""
	}
	m, err := ignore.Parse(source.NewFile(filepath.Base(files[i]), data))
	if err != nil {
		return ""
	}
	left, rule := m.Ignores(name[1:])
	if !left || rule == nil {
		return ""
	}
	return fmt.Sprintf(" (it is there, but line %d of %s leaves it out: %s)", rule.Range.Position().Line, filepath.Base(files[i]), strings.TrimSpace(rule.Range.String()))
}
