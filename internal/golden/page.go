package golden

import (
	"os"
	"path/filepath"
	"regexp"
)

// Page is a page about an extension of the Dockerfile language, in docs/extensions.
type Page struct {
	Case    *Case  // the build of the example
	Ejected string // the plain Dockerfile that the page shows
	Refusal string // the error of docker/dockerfile that the page shows; "" if it builds the example
}

// LoadPages reads the pages about extensions.
func LoadPages() ([]*Page, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(root), "docs", "extensions", "*.md"))
	if err != nil {
		return nil, err
	}
	var pages []*Page
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		pages = append(pages, parsePage(filepath.Base(file), string(text)))
	}
	return pages, nil
}

// parsePage parses a page. The word after the language of a code block is the name of a file, or
// says what the block shows.
func parsePage(name, text string) *Page {
	p := &Page{Case: &Case{Name: "ext/page", Title: name, Worker: []string{"linux/amd64"}, Opts: map[string]string{}}}
	block := regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		switch language, what := m[1], m[2]; {
		case language == "text" && what == "docker/dockerfile":
			p.Refusal = m[3]
		case language != "dockerfile":
		case what == "ejected":
			p.Ejected = m[3]
		case what == "":
			p.Case.Files = append(p.Case.Files, File{Name: "Dockerfile", Data: []byte(m[3])})
		default:
			p.Case.Files = append(p.Case.Files, File{Name: what, Data: []byte(m[3])})
		}
	}
	return p
}
