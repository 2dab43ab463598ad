package rules

import (
	"fmt"
	"path"
	"strings"

	"slipway/diag"
	"slipway/internal/suggest"
	"slipway/lint"
)

// ignoreFileRules returns the rules about the ignore file of the context.
func ignoreFileRules() []*lint.Rule {
	return []*lint.Rule{
		{
			Name: "IgnoreWithoutEffect", Severity: diag.Info, Hadolint: lint.Off,
			Summary: "Each line of .dockerignore should have an effect",
			Checks:  lint.Checks{File: ignoreWithoutEffect},
		},
	}
}

// ignoreWithoutEffect reports at the first COPY or ADD that reads the context.
func ignoreWithoutEffect(p *lint.Pass) {
	at := firstContextSource(p)
	if at == nil {
		return
	}
	for _, line := range p.Options.Listing.Unused() {
		reason := withoutEffect(line, p.Options.Listing.All())
		if reason == "" {
			continue
		}
		first, _ := line.Range.Lines()
		text := strings.TrimSpace(line.Range.String())
		p.Report(at.Syntax.Keyword.Range(), "line %d of %s (%s) has no effect: %s", first, path.Base(line.Range.File.Name), text, reason)
	}
}

// firstContextSource returns the first COPY or ADD with a path in the context, or nil.
func firstContextSource(p *lint.Pass) *lint.Instruction {
	for _, st := range p.File.Stages {
		for _, in := range st.Instructions {
			found := false
			contextSources(in, in.Command, func(int, string) { found = true })
			if found {
				return in
			}
		}
	}
	return nil
}

// withoutEffect returns why a line decides about no file, or "" if it may decide about files that
// do not exist yet.
func withoutEffect(line lint.IgnoreLine, paths []string) string {
	literal := !strings.ContainsAny(line.Pattern, `*?[\`)
	later := line.By != nil && line.By.Range.Start > line.Range.Start
	switch {
	case line.Path == "" && literal:
		return misnamed(line.Pattern, paths)
	case line.Path == "":
		return ""
	case line.Include && later && (literal || line.By.Pattern == "*" || line.By.Pattern == "**"):
		return fmt.Sprintf("line %d excludes %s again", lineOf(line), line.Path)
	case !literal:
		return ""
	case line.Include && line.By == nil:
		return "no line above it excludes " + line.Path
	case !line.Include && later:
		return fmt.Sprintf("line %d includes %s again", lineOf(line), line.Path)
	case !line.Include && line.By != nil:
		return fmt.Sprintf("line %d already excludes %s", lineOf(line), line.Path)
	}
	return ""
}

// lineOf returns the number of the line that decides instead.
func lineOf(line lint.IgnoreLine) int {
	n, _ := line.By.Range.Lines()
	return n
}

// misnamed returns why a pattern without wildcards matches nothing: files of that name are deeper
// in the context, or the name is misspelled. It returns "" if the context has no such file.
func misnamed(pattern string, paths []string) string {
	dir, base := path.Split(pattern)
	var near []string
	for _, name := range paths {
		switch d, b := path.Split(name); {
		case dir == "" && b == base:
			return fmt.Sprintf("the pattern matches only at the root of the context, not %s (did you mean **/%s?)", name, pattern)
		case d == dir:
			near = append(near, b)
		}
	}
	if match, ok := suggest.Near(base, near); ok {
		return fmt.Sprintf("no file matches (did you mean %s?)", dir+match)
	}
	return ""
}
