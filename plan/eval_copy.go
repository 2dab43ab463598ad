package plan

import (
	"errors"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	mode "github.com/tonistiigi/dchapes-mode"

	"slipway/diag"
	"slipway/gitref"
	"slipway/instructions"
	"slipway/parser"
)

// copier plans the step of one COPY or ADD. Its string fields are the values after the
// expansion of variables.
type copier struct {
	*evaluator
	c                      *instructions.Copy
	step                   *Copy
	chown, chmod, checksum string
	sources                []string
	dest                   string
	keepGit                *bool
	sourceTree             Tree
}

// copy plans the step of a COPY or ADD instruction.
func (e *evaluator) copy(c *instructions.Copy) *diag.Diagnostic {
	p := &copier{evaluator: e, c: c, keepGit: c.KeepGit}
	bodies, d := p.expandAll()
	if d != nil {
		return d
	}
	if len(e.visit.Sources) > 0 {
		p.sourceTree.Stage = e.visit.Sources[0]
		if !p.b.draft(p.sourceTree.Stage).done && p.sourceTree.Stage != e.st { // itself: see [evaluator.bindMounts]
			return hintLaterStage(diag.Errorf(c.From.Text.Range(), "cannot copy from stage %q, it needs to be defined before current stage %q", c.From.Value, e.st.Name), p.sourceTree.Stage)
		}
	}
	p.step = &Copy{StepInfo: e.info(c, e.title(c)), Chown: p.chown, Exclude: c.Exclude, Link: c.Link, Platform: *e.st.Platform}
	p.step.NoCache = e.st.NoCache
	for _, f := range []func() *diag.Diagnostic{p.setDest, p.checkChown, p.setChmod, p.checkChecksum} {
		if d := f(); d != nil {
			return d
		}
	}
	for i := range p.sources {
		if d := p.source(i); d != nil {
			return d
		}
	}
	for i, in := range c.Inline {
		if d := p.inline(in, bodies[i]); d != nil {
			return d
		}
	}
	p.markUsed()
	e.visit.Step = p.step
	e.commit(p.line(), true)
	return nil
}

// expandAll expands the flags, the sources and the destination of a COPY or ADD. It
// returns the expanded heredocs.
func (p *copier) expandAll() (bodies []string, d *diag.Diagnostic) {
	c := p.c
	for _, f := range []struct {
		w  parser.Word
		to *string
	}{{c.Chown, &p.chown}, {c.Chmod, &p.chmod}, {c.Checksum, &p.checksum}} {
		if *f.to, d = p.word(f.w); d != nil {
			return nil, d
		}
	}
	if p.sources, d = p.words(c.Sources); d != nil {
		return nil, hintQuotes(d, c)
	}
	if d = p.makeOptional(); d != nil {
		return nil, d
	}
	if p.dest, d = p.word(c.Dest); d != nil {
		return nil, d
	}
	for _, in := range c.Inline {
		data := in.Data
		if in.Expand {
			if data, d = p.body(data, in.Range); d != nil {
				return nil, d
			}
		}
		bodies = append(bodies, data)
	}
	return bodies, nil
}

// setDest computes the absolute destination of the COPY or ADD.
func (p *copier) setDest() *diag.Diagnostic {
	system := p.st.Platform.OS
	dest, err := dropDrive(p.dest, system, true)
	if err != nil {
		return diag.Errorf(p.c.Dest.Text.Range(), "removing drive letter: %w", err)
	}
	dir := p.state.Dir
	switch {
	case isAbs(dest, system):
		dir = "/"
	case dest == "", dest == ".":
		dest = "./"
	}
	if p.step.Dest, err = normalizePath(dir, dest, system, true); err != nil {
		return diag.Errorf(p.c.Dest.Text.Range(), "%w", err)
	}
	return nil
}

// checkChown returns an error if --link is used with the name of a user or group. A
// linked layer has no /etc/passwd in which the name could be looked up.
func (p *copier) checkChown() *diag.Diagnostic {
	if !p.c.Link {
		return nil
	}
	for _, id := range strings.SplitN(p.chown, ":", 2) {
		if _, err := strconv.ParseInt(id, 10, 32); err != nil && id != "" && id != "root" {
			return diag.Errorf(p.c.Chown.Text.Range(), "--chown=%s: user and group names can't be resolved when used with --link, use numeric uid[:gid] instead", p.chown)
		}
	}
	return nil
}

// setChmod parses the value of --chmod, an octal or a symbolic mode.
func (p *copier) setChmod() *diag.Diagnostic {
	if p.chmod == "" {
		return nil
	}
	bad := func(format string, args ...any) *diag.Diagnostic {
		return diag.Errorf(p.c.Chmod.Text.Range(), format, args...).Hinted("--chmod takes an octal mode, such as 0755, or a symbolic one, such as u=rwX,go=rX")
	}
	const notOctal = "invalid chmod parameter: '%v'. it should be octal string and between 0 and 07777"
	m, err := strconv.ParseUint(p.chmod, 8, 32)
	if err == nil {
		if m > 0o7777 {
			return bad(notOctal, p.chmod)
		}
		p.step.Chmod = &Chmod{Mode: os.FileMode(m)}
		return nil
	}
	if _, err := mode.Parse(p.chmod); err != nil {
		var numeric *strconv.NumError
		if errors.As(err, &numeric) {
			return bad(notOctal, p.chmod)
		}
		return bad("%w", err)
	}
	p.step.Chmod = &Chmod{Symbolic: p.chmod}
	return nil
}

// checkChecksum returns an error if --checksum is used with several sources, or with a
// source that is neither a URL nor a git repository.
func (p *copier) checkChecksum() *diag.Diagnostic {
	if p.checksum == "" {
		return nil
	}
	at := p.c.Checksum.Text.Range()
	if len(p.sources) != 1 {
		return diag.Errorf(at, "checksum can't be specified for multiple sources")
	}
	if _, isGit, _ := gitref.Parse(p.sources[0]); !isGit && !isHTTP(p.sources[0]) {
		return diag.Errorf(at, "checksum requires HTTP(S) or Git sources")
	}
	return nil
}

// isHTTP reports whether src is an http:// or https:// URL. The scheme must be in lower
// case.
func isHTTP(src string) bool {
	return strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://")
}

// source plans the copy from one source of a COPY or ADD: a path, a URL or a git
// repository. i is the index of the source.
func (p *copier) source(i int) *diag.Diagnostic {
	src, at := p.sources[i], p.c.Sources[i].Text.Range()
	ref, isGit, err := gitref.Parse(src)
	switch {
	case err != nil && isGit:
		return diag.Errorf(at, "%w", err)
	case err == nil && !ref.IndistinguishableFromLocal:
		if !p.c.Add {
			return diag.Errorf(at, "source can't be a git ref for COPY").Hinted("ADD fetches repositories")
		}
		return p.git(ref, i)
	case isHTTP(src) && !isGit:
		if !p.c.Add {
			return diag.Errorf(at, "source can't be a URL for COPY").Hinted("ADD downloads files")
		}
		return p.url(src, i)
	}
	if p.c.Ext == nil || !p.c.Ext.IfExists { // a file that is excluded is missing
		if d := p.recordExcluded(src, p.c.Sources[i]); d != nil {
			return d
		}
	}
	t, err := p.tree(src)
	if err != nil {
		return diag.Errorf(at, "removing drive letter: %w", err)
	}
	p.step.Sources = append(p.step.Sources, t)
	return nil
}

// git plans the checkout of the git repository ref. i is the index of the repository among
// the sources of the ADD.
//
// Upstream: if a URL sets keep-git-dir or a checksum, the setting also applies to the URLs
// that follow it.
func (p *copier) git(ref *gitref.Ref, i int) *diag.Diagnostic {
	at := p.c.Sources[i].Text.Range()
	if p.keepGit != nil && ref.KeepGitDir != nil && *p.keepGit != *ref.KeepGitDir {
		return diag.Errorf(at, "inconsistent keep-git-dir configuration")
	}
	if ref.KeepGitDir != nil {
		p.keepGit = ref.KeepGitDir
	}
	if p.checksum != "" && ref.Checksum != "" && p.checksum != ref.Checksum {
		return diag.Errorf(at, "checksum mismatch %q != %q", p.checksum, ref.Checksum)
	}
	if ref.Checksum != "" {
		p.checksum = ref.Checksum
	}
	p.step.Sources = append(p.step.Sources, &CopyGit{
		Remote:         ref.Remote,
		Ref:            ref.Ref,
		SubDir:         ref.SubDir,
		Checksum:       p.checksum,
		KeepGitDir:     p.keepGit != nil && *p.keepGit,
		SkipSubmodules: ref.Submodules != nil && !*ref.Submodules,
		FetchByCommit:  ref.FetchByCommit,
	})
	return nil
}

// urlFilename returns the name of the file into which ADD downloads the URL src: the last
// element of the URL's path, or __unnamed__ if the path is empty or /.
func urlFilename(src string) string {
	if u, err := url.Parse(src); err == nil {
		if base := path.Base(u.Path); base != "." && base != "/" {
			return base
		}
	}
	return "__unnamed__"
}

// url plans the download of the URL src. i is the index of src among the sources of the
// ADD.
func (p *copier) url(src string, i int) *diag.Diagnostic {
	if p.checksum != "" {
		if _, err := digest.Parse(p.checksum); err != nil {
			at := p.c.Checksum.Text.Range()
			if p.c.Checksum.Value == "" {
				at = p.c.Sources[i].Text.Range()
			}
			return diag.Errorf(at, "%w", err)
		}
	}
	p.step.Sources = append(p.step.Sources, &CopyURL{
		URL: src, Filename: urlFilename(src), Checksum: p.checksum, Unpack: p.c.Unpack != nil && *p.c.Unpack,
	})
	return nil
}

// tree plans the copy of a path from the main context or another stage.
func (p *copier) tree(src string) (*CopyTree, error) {
	system := p.st.Platform.OS
	t := &CopyTree{Tree: p.sourceTree, Unpack: p.c.Add}
	if p.c.Unpack != nil {
		t.Unpack = *p.c.Unpack
	}
	var err error
	if p.c.Parents {
		base, pattern, pivot := strings.Cut(src, "/./")
		if !pivot {
			base, pattern = "/", src
		}
		src = base
		if pattern, err = normalizePath("/", pattern, system, false); err != nil {
			return nil, err
		}
		t.Include = []string{strings.TrimPrefix(pattern, "/")}
		if !hasWildcard(src) && !hasWildcard(pattern) {
			required, err := normalizePath("/", path.Join(src, pattern), system, false)
			if err != nil {
				return nil, err
			}
			t.Required = []string{required}
		}
	}
	t.Path, err = normalizePath("/", src, system, false)
	return t, err
}

// inline plans the copy of a heredoc: the step creates a file with the text of the heredoc.
func (p *copier) inline(in instructions.Inline, data string) *diag.Diagnostic {
	name, err := dropDrive(in.Name, p.st.Platform.OS, false)
	if err != nil {
		return diag.Errorf(in.Range, "removing drive letter: %w", err)
	}
	p.b.charge(len(data)) // words with the same name share one document
	p.step.Sources = append(p.step.Sources, &CopyInline{
		Name: name, Path: toSlash(name, p.st.Platform.OS), Data: data,
	})
	return nil
}

// markUsed records the paths that the COPY or ADD reads, so that the client sends only
// these files of a context.
func (p *copier) markUsed() {
	used := p.st.Context
	if p.sourceTree.Stage != nil {
		used = p.sourceTree.Stage.Used
	}
	for _, src := range p.sources {
		if !p.c.Add || !isHTTP(src) {
			used.Add(src)
		}
	}
}

// line returns the text of the COPY or ADD in the image history.
func (p *copier) line() string {
	var b strings.Builder
	b.WriteString("COPY")
	if p.c.Add {
		b.Reset()
		b.WriteString("ADD")
	}
	if p.c.Parents {
		b.WriteString(" --parents")
	}
	if p.chown != "" {
		b.WriteString(" --chown=" + p.chown)
	}
	if p.chmod != "" {
		b.WriteString(" --chmod=" + p.chmod)
	}
	for _, src := range p.sources {
		b.WriteString(" " + src)
	}
	for _, in := range p.c.Inline {
		b.WriteString(" <<" + in.Name)
	}
	b.WriteString(" " + p.dest + " # buildkit")
	return b.String()
}

// hasWildcard reports whether p contains an unescaped *, ? or [.
func hasWildcard(p string) bool {
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}
