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

// missingFile matches the path in errors of this process and of BuildKit about a copy or a
// mount whose source does not exist.
func missingFile(text string) (string, bool) {
	m := regexp.MustCompile(`"(/[^"]*)": not found$|copy (/[^"]*): not found$|mount .*: (/.*) does not exist in what is mounted$`).FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1] + m[2] + m[3], true
}

// hint sets the range of an operation's error to the word of the instruction that it is
// about, and adds a hint why a file does not exist, if the files of the build show it.
func (p *places) hint(o *Options, err error) error {
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

// point sets the range of d, an instruction, to the word that err is about. It
// reports whether it found one.
func (p *places) point(o *Options, d *diag.Diagnostic, err error) bool {
	text := err.Error()
	name, missing := missingFile(text)
	switch {
	case d.Range.IsZero():
	case missing:
		if w, ok := p.wordOf(d.Range, name); ok {
			d.Range, d.Context = w.at, d.Range
			d.Message += p.why(o, err, &w, name)
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

// ignoredBy returns the line of the ignore file that excludes a file.
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
