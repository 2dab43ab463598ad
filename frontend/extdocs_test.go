package frontend_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/internal/golden"
)

// block matches a code block in a page: its language, the word after the language, and its text.
var block = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

// TestExtensionPages builds the example of each page about an extension, and compares its plain
// Dockerfile with the one on the page.
func TestExtensionPages(t *testing.T) {
	pages, err := filepath.Glob("../docs/extensions/*.md")
	if err != nil || len(pages) < 2 {
		t.Fatalf("pages %q: %v", pages, err)
	}
	for _, page := range pages {
		name := filepath.Base(page)
		if name == "README.md" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			c := &golden.Case{Name: "ext/page", Title: name, Worker: []string{"linux/amd64"}, Opts: map[string]string{}}
			want := ""
			for _, m := range block.FindAllStringSubmatch(string(text), -1) {
				switch {
				case m[1] == "dockerfile" && m[2] == "":
					c.Files = append(c.Files, golden.File{Name: "Dockerfile", Data: []byte(m[3])})
				case m[1] == "dockerfile" && m[2] == "ejected":
					want = m[3]
				case m[1] == "dockerfile":
					c.Files = append(c.Files, golden.File{Name: m[2], Data: []byte(m[3])})
				}
			}
			got, possible := ejectCase(t, c)
			if !possible || got != want {
				t.Errorf("eject (-page +got):\n%s", cmp.Diff(want, got))
			}
		})
	}
}
