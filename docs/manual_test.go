package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	codeSpan    = regexp.MustCompile("``.+?``|`[^`]*`")
	linkTarget  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	notInAnchor = regexp.MustCompile(`[^\pL\pN _-]`)
)

// A page is a Markdown file of this repository.
type page struct {
	name  string // path below the root of the repository
	lines []string
}

// A block is a fenced code block of a page.
type block struct {
	language string // first word after the fence
	label    string // second word: what the block shows or the path of a file; "" for none
	section  int    // number of headings above the block
	first    int    // index of its first line, after the fence
	text     string
}

// pages returns the Markdown files below the given paths, which are relative to the root of the
// repository.
func pages(t *testing.T, paths ...string) []page {
	t.Helper()
	var list []page
	for _, p := range paths {
		err := filepath.WalkDir(filepath.Join("..", p), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
				return err
			}
			text, err := os.ReadFile(path)
			name, _ := filepath.Rel("..", path)
			list = append(list, page{filepath.ToSlash(name), strings.SplitAfter(string(text), "\n")})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

// blocks returns the fenced code blocks of a page.
func (p page) blocks() []block {
	var list []block
	var open *block
	section := 0
	for i, line := range p.lines {
		info, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open != nil:
			list = append(list, *open)
			open = nil
		case fence:
			words := append(strings.Fields(info), "", "")
			open = &block{language: words[0], label: words[1], section: section, first: i + 1}
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			section++
		}
	}
	return list
}

// prose returns the lines of a page outside of code blocks, without code spans. Other lines are
// empty.
func (p page) prose() []string {
	list := make([]string, len(p.lines))
	code := false
	for i, line := range p.lines {
		if strings.HasPrefix(line, "```") {
			code = !code
		} else if !code {
			list[i] = codeSpan.ReplaceAllString(line, "")
		}
	}
	return list
}

// anchors returns the anchors of the headings of a page, as GitHub and the manual make them.
func (p page) anchors() map[string]bool {
	set := map[string]bool{}
	code := false
	for _, line := range p.lines {
		title := strings.TrimLeft(line, "#")
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case !code && title != line && strings.HasPrefix(title, " "):
			set[anchor(title)] = true
		}
	}
	return set
}

// anchor returns the anchor of a heading.
func anchor(title string) string {
	title = linkTarget.ReplaceAllString(strings.TrimSpace(title), "")
	title = notInAnchor.ReplaceAllString(strings.ToLower(title), "")
	return strings.ReplaceAll(title, " ", "-")
}

// TestLinks checks that the links between Markdown files lead to existing files and headings.
func TestLinks(t *testing.T) {
	list := pages(t, "docs", "linter/rules/docs", "README.md", "ARCHITECTURE.md", "COMPATIBILITY.md", "CONTRIBUTING.md", "SECURITY.md")
	anchors := map[string]map[string]bool{}
	for _, p := range list {
		anchors[p.name] = p.anchors()
	}
	checked := 0
	for _, p := range list {
		for i, line := range p.prose() {
			for _, m := range linkTarget.FindAllStringSubmatch(line, -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				checked++
				path, fragment, _ := strings.Cut(m[1], "#")
				target := p.name
				if path != "" {
					target = filepath.ToSlash(filepath.Join(filepath.Dir(p.name), path))
				}
				if _, err := os.Stat(filepath.Join("..", target)); err != nil {
					t.Errorf("%s:%d: link %q: %v", p.name, i+1, m[1], err)
				} else if known, ok := anchors[target]; ok && fragment != "" && !known[fragment] {
					t.Errorf("%s:%d: link %q: %s has no such heading", p.name, i+1, m[1], target)
				}
			}
		}
	}
	if checked < 300 {
		t.Errorf("only %d links were found", checked)
	}
}

// TestAnchor checks anchors against those that GitHub makes.
func TestAnchor(t *testing.T) {
	for title, want := range map[string]string{
		" --from\n":                        "--from",
		" `slipway image ls`\n":            "slipway-image-ls",
		" type=secret\n":                   "typesecret",
		" What a step may do\n":            "what-a-step-may-do",
		" [A](b.md): c_d, e\n":             "a-c_d-e",
		" From a Dockerfile to LLB & back": "from-a-dockerfile-to-llb--back",
	} {
		if got := anchor(title); got != want {
			t.Errorf("%q: anchor %q, want %q", title, got, want)
		}
	}
}
