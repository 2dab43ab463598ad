package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// sources maps files and directories of the repository to their paths in the manual.
func sources() map[string]string {
	return map[string]string{
		"docs":              "",
		"linter/rules/docs": "rules",
		"COMPATIBILITY.md":  "compatibility.md",
		"SECURITY.md":       "security.md",
		"LICENSE":           "license.txt",
	}
}

// stage returns the pages of the manual by their paths in it. The parameter root is the root of
// the repository.
func stage(root string) (map[string][]byte, error) {
	names := map[string]string{} // paths in the manual by paths in the repository
	for from, to := range sources() {
		err := fs.WalkDir(os.DirFS(root), from, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || path.Ext(name) != ".md" {
				return err
			}
			target := path.Join(to, strings.TrimPrefix(strings.TrimPrefix(name, from), "/"))
			if path.Base(target) == "README.md" {
				target = path.Join(path.Dir(target), "index.md")
			}
			names[name] = target
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	pages := map[string][]byte{}
	for name, target := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		if _, ok := pages[target]; ok {
			return nil, fmt.Errorf("two pages are %s in the manual", target)
		}
		pages[target] = []byte(adapt(name, string(text), names))
	}
	return pages, nil
}

// adapt returns the text of the page called name with links that lead to pages of the manual. A
// link to another file of the repository becomes its text. Lines with HTML comments are removed.
// The parameter names maps paths in the repository to paths in the manual.
func adapt(name, text string, names map[string]string) string {
	link := regexp.MustCompile("\\[((?:[^\\[\\]]|`[^`]*`|\\\\.)*)\\]\\(([^)\\s]+)\\)")
	var b strings.Builder
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		if code {
			b.WriteString(line)
			continue
		}
		if strings.HasPrefix(line, "<!--") {
			continue
		}
		b.WriteString(link.ReplaceAllStringFunc(line, func(s string) string {
			m := link.FindStringSubmatch(s)
			if strings.Contains(m[2], "://") || strings.HasPrefix(m[2], "#") {
				return s
			}
			file, fragment, hash := strings.Cut(m[2], "#")
			target, ok := names[path.Join(path.Dir(name), file)]
			if !ok {
				return m[1]
			}
			if hash {
				fragment = "#" + fragment
			}
			return "[" + m[1] + "](" + relative(path.Dir(names[name]), target) + fragment + ")"
		}))
	}
	return b.String()
}

// relative returns the path of a page relative to the directory dir.
func relative(dir, target string) string {
	rel, err := filepath.Rel(dir, target)
	if err != nil {
		panic(err) // both paths are relative to the same root
	}
	if rel = filepath.ToSlash(rel); !strings.HasPrefix(rel, ".") {
		rel = "./" + rel
	}
	return rel
}

// menuItem is an entry in the sidebar, in VitePress's format.
type menuItem struct {
	Text      string      `json:"text"`
	Link      string      `json:"link,omitempty"`
	Collapsed *bool       `json:"collapsed,omitempty"`
	Items     []*menuItem `json:"items,omitempty"`
}

// sidebar returns the sidebar of the site in JSON. It is made of the headings and lists of the
// first page, index.
func sidebar(index []byte) ([]byte, error) {
	entry := regexp.MustCompile(`^( *)- \[([^\]]+)\]\(\./([^)]+)\)`)
	var menu []*menuItem
	for line := range strings.Lines(string(index)) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			menu = append(menu, &menuItem{Text: strings.TrimSpace(title)})
			continue
		}
		m := entry.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if len(menu) == 0 {
			return nil, fmt.Errorf("docs/README.md: %q has no heading", strings.TrimSpace(line))
		}
		list := &menu[len(menu)-1].Items
		if m[1] != "" && len(*list) > 0 {
			parent, collapsed := (*list)[len(*list)-1], true
			parent.Collapsed, list = &collapsed, &parent.Items
		}
		page := strings.TrimSuffix(strings.TrimSuffix(m[3], ".md"), "index")
		*list = append(*list, &menuItem{Text: m[2], Link: "/" + page})
	}
	return json.MarshalIndent(menu, "", "  ")
}
