package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAdapt checks the links of a page in the manual.
func TestAdapt(t *testing.T) {
	names := map[string]string{
		"docs/a/README.md":       "a/index.md",
		"docs/a/b.md":            "a/b.md",
		"docs/c.md":              "c.md",
		"linter/rules/docs/R.md": "rules/R.md",
	}
	const text = "[b](b.md#x), [`c`](../c.md) | [R](../../linter/rules/docs/R.md), [own](#x), [web](https://example.com/c.md)\n" +
		"[code](../../Makefile) and [\\[\\]](b.md)\n<!-- generated -->\n```\n[b](b.md)\n```\n"
	const want = "[b](./b.md#x), [`c`](../c.md) | [R](../rules/R.md), [own](#x), [web](https://example.com/c.md)\n" +
		"code and [\\[\\]](./b.md)\n```\n[b](b.md)\n```\n"
	if d := cmp.Diff(want, adapt("docs/a/README.md", text, names)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestSidebar checks the sidebar of the manual, whose links must lead to pages.
func TestSidebar(t *testing.T) {
	pages, err := stage("../..")
	if err != nil {
		t.Fatal(err)
	}
	data, err := sidebar(pages["index.md"])
	if err != nil {
		t.Fatal(err)
	}
	var menu []*menuItem
	if err := json.Unmarshal(data, &menu); err != nil {
		t.Fatal(err)
	}
	links := 0
	var check func(list []*menuItem)
	check = func(list []*menuItem) {
		for _, m := range list {
			if m.Link != "" {
				links++
				name := m.Link[1:] + ".md"
				if m.Link[len(m.Link)-1] == '/' {
					name = m.Link[1:] + "index.md"
				}
				if pages[name] == nil {
					t.Errorf("%s: page %s does not exist", m.Text, name)
				}
			}
			check(m.Items)
		}
	}
	check(menu)
	if list := bytes.Count(pages["index.md"], []byte("- [")); links != list {
		t.Errorf("the sidebar has %d links, docs/README.md lists %d", links, list)
	}
}
