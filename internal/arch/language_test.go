package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/internal/slowtest"
)

// rejectedPhrase is a phrase that comments must not contain, with the phrase to write instead
// of it.
type rejectedPhrase struct {
	words   []string // each match of pattern contains one of these words; they are searched first, because that is fast
	pattern *regexp.Regexp
	write   string // the phrase to write instead
	reason  string
}

// rejections returns the phrases that comments must not contain. Each phrase has made comments
// hard to understand. Good comments rarely need it, so rejecting it costs little.
func rejections() []rejectedPhrase {
	phrase := func(words, pattern, write, why string) rejectedPhrase {
		return rejectedPhrase{strings.Fields(words), regexp.MustCompile(pattern), write, why}
	}
	const noun = "a pronoun needs its noun in the same sentence"
	return []rejectedPhrase{
		phrase("whether", `\btells? whether\b`, "reports whether", "Go's verb for predicates"),
		phrase("tells says", `^\w+ (tells|says)\b`, "reports, returns, prints, specifies …", "a doc comment starts with the verb for what happens"),
		phrase("what", `\b(returns|says|tells|is|are) what (\w+ ){0,4}of\b`, "the noun: returns the content of …", "a phrase without a noun needs the code to be understood"),
		phrase("none", `\b(is|are|was|were) none\b`, "does not exist; is nil; is empty", "none of what?"),
		phrase("of", `\b(those|that) of the\b`, "the noun again", noun),
		phrase("be", `\bbe (it|they)\b`, "whether … or …", "archaic"),
		phrase("behind", `\b(left|leaves?) behind\b`, "leaks, leaves", "behind is about space"),
		phrase("behind", `\bbehind (the|it|its|a|an|each|them|those|that)\b`, "after, following, trailing", "behind is about space, not about order"),
		phrase("side", `\bside by side\b`, "concurrently", "the field's word"),
		phrase("after", `\bone after the other\b`, "in order, sequentially", "the field's word"),
		phrase("obody", `\b[Nn]obody\b`, "no caller, no test, no user …", "say who it is that does not"),
		phrase("mend", `\bmend(s|ed|ing)?\b`, "fix", "the field's word"),
		phrase("eside", `\b[Bb]eside\b`, "next to; in addition to", "it means both"),
		phrase("twice", `\bis there twice\b`, "is duplicate", "is there is not a verb for being"),
		phrase("eople", `\b[Pp]eople\b`, "users", "the field's word"),
		phrase("ever", `\bfor ever\b`, "forever", "spelling"),
	}
}

// uncheckedDirs returns the directories whose comments are not checked. The value for each
// directory is the reason. Remove a directory when its comments pass.
func uncheckedDirs() map[string]string {
	return map[string]string{}
}

// TestLanguage checks that no comment contains a rejected phrase.
func TestLanguage(t *testing.T) {
	slowtest.Skip(t, "reads every comment")
	files := token.NewFileSet()
	open := uncheckedDirs()
	found := map[string]bool{} // unchecked directories that contain rejected phrases
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go" || name == "internal/arch/language_test.go":
			return nil
		}
		f, err := parser.ParseFile(files, filepath.Join("../..", name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		exempt := ""
		for dir := range open {
			if strings.HasPrefix(name, dir+"/") {
				exempt = dir
			}
		}
		for _, group := range f.Comments {
			for _, finding := range reject(files, name, group) {
				if found[exempt] = true; exempt == "" {
					t.Error(finding)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range open {
		if !found[dir] {
			t.Errorf("the comments of %s pass: remove it from uncheckedDirs", dir)
		}
	}
}

// reject returns one error text for each rejected phrase in a comment.
func reject(files *token.FileSet, name string, group *ast.CommentGroup) []string {
	// Join the lines, because a phrase may continue on the next line.
	var text strings.Builder
	var starts, lines []int
	for _, c := range group.List {
		line := files.Position(c.Pos()).Line
		for i, s := range strings.Split(strings.TrimPrefix(c.Text, "//"), "\n") {
			if !strings.HasPrefix(s, "\t") { // lines that start with a tab are code
				starts, lines = append(starts, text.Len()), append(lines, line+i)
				text.WriteString(strings.TrimSpace(s) + " ")
			}
		}
	}
	phrases := strings.ReplaceAll(text.String(), "user nobody", "user NOBODY") // the user name is no phrase
	var findings []string
	for _, r := range rejections() {
		if !slices.ContainsFunc(r.words, func(w string) bool { return strings.Contains(phrases, w) }) {
			continue
		}
		for _, at := range r.pattern.FindAllStringIndex(phrases, -1) {
			line := 0
			for i, start := range starts {
				if start <= at[0] {
					line = lines[i]
				}
			}
			findings = append(findings, fmt.Sprintf("%s:%d: %q: write %s (%s)", name, line, phrases[at[0]:at[1]], r.write, r.reason))
		}
	}
	return findings
}

// TestReject checks that reject finds a phrase that continues on the next line, and ignores
// code.
func TestReject(t *testing.T) {
	const code = "package p\n\n// has tells\n// whether, and\n//\n//\tcode tells whether\nvar has = \"tells whether\"\n"
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, "p.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, group := range f.Comments {
		got = append(got, reject(files, "p.go", group)...)
	}
	if len(got) != 2 || !strings.HasPrefix(got[0], `p.go:3: "tells whether": write reports whether (`) {
		t.Errorf("got %q, want tells whether at p.go:3, and has tells", got)
	}
}
