package build

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"slipway/diag"
	"slipway/ignore"
	"slipway/instructions"
	"slipway/internal/suggest"
	"slipway/parser"
	"slipway/source"
)

// missingFile finds the path in what this process and BuildKit say of a copy
// whose source is not there.
func missingFile(text string) (string, bool) {
	m := regexp.MustCompile(`(?:copy |")(/.*?)"?: not found$`).FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// hint points at the word of COPY or ADD that names a file that is not there, and
// says why it is not, as far as the directories of the build tell.
func (p *places) hint(o *Options, err error) error {
	var found *diag.Diagnostic
	if err == nil || errors.As(err, &found) {
		return err
	}
	name, ok := missingFile(err.Error())
	if !ok {
		return err
	}
	d := diagnostic(err)
	c, word := copyOf(d.Range, name)
	if c == nil {
		return err
	}
	d.Range, d.Context = word.Text.Range(), d.Range
	d.Message += p.why(o, c, name)
	return d
}

// copyOf finds the COPY or ADD of a range, and its source that is that path.
func copyOf(r source.Range, name string) (*instructions.Copy, parser.Word) {
	if r.IsZero() {
		return nil, parser.Word{}
	}
	file, _ := parser.Parse(r.File)
	if file == nil {
		return nil, parser.Word{}
	}
	first, _ := r.Lines()
	for _, in := range file.Instructions() {
		if at, _ := in.Rng.Lines(); at != first {
			continue
		}
		cmd, _ := instructions.ParseOne(in)
		c, ok := cmd.(*instructions.Copy)
		if !ok {
			continue
		}
		for _, s := range c.Sources {
			if path.Clean("/"+s.Value) == name && !s.Text.Range().IsZero() {
				return c, s
			}
		}
	}
	return nil, parser.Word{}
}

// why says why a file is not in a local context, or which one is meant: "" if
// that is not known.
func (p *places) why(o *Options, c *instructions.Copy, name string) string {
	context := c.From.Value
	if context == "" {
		context = "context"
	}
	dir, ok := p.dirs[context]
	if !ok {
		return ""
	}
	file := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Lstat(file); err == nil {
		return ignoredBy(o, dir, name)
	}
	list, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return "" // a directory above it is what is not there
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name())
	}
	if match, ok := suggest.Search(path.Base(name), names, true); ok {
		return " (did you mean " + path.Join(path.Dir(name), match)[1:] + "?)"
	}
	return ""
}

// ignoredBy names the line of the ignore file that leaves a file out.
func ignoredBy(o *Options, dir, name string) string {
	files := []string{o.file() + ignoreSuffix, filepath.Join(dir, ignoreSuffix)}
	i := slices.IndexFunc(files, func(name string) bool { _, err := os.Stat(name); return err == nil })
	if i < 0 {
		return ""
	}
	data, err := os.ReadFile(files[i])
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
