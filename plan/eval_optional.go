package plan

import (
	"strings"

	"slipway/diag"
	"slipway/dialect"
	"slipway/gitref"
)

// makeOptional replaces the sources of a COPY or ADD with --if-exists by patterns that match
// only them, because a builder ignores a pattern without matches.
func (p *copier) makeOptional() *diag.Diagnostic {
	if p.c.Ext == nil || !p.c.Ext.IfExists {
		return nil
	}
	for i, src := range p.sources {
		w := p.c.Sources[i]
		if _, isGit, err := gitref.Parse(src); isHTTP(src) || isGit && err == nil && !isLocalPath(src) {
			return diag.Errorf(w.Text.Range(), "--if-exists is for files")
		}
		l := p.b.lowering(p.c.In)
		if strings.Contains(src, "<<") { // whether a word is a heredoc depends on the words before it
			l.Native = diag.Errorf(w.Text.Range(), "a plain Dockerfile cannot contain the pattern for the name %s; rename the file", src)
		}
		p.sources[i] = dialect.Optional(src)
		escape := p.b.Dockerfile.File.Escape // of the plain Dockerfile
		text := asWritten(p.c, w, literal(p.sources[i], false, escape))
		if text == "" { // the value of a variable; without quotes, the plain instruction lacks a source
			text = `""`
		}
		l.editWord(w.Text.Range(), text)
	}
	return nil
}

// isLocalPath reports whether a source of ADD that could be a git repository is a path.
func isLocalPath(src string) bool {
	ref, _, err := gitref.Parse(src)
	return err == nil && ref.IndistinguishableFromLocal
}
