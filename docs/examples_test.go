package docs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"

	"slipway/frontend"
	"slipway/internal/corpus"
	"slipway/internal/golden"
)

// TestExamples converts the Dockerfiles of the manual to operations. The word after the language
// of a code block says what the block is:
//
//	dockerfile            converts without an error or a warning
//	dockerfile windows    the same for windows/amd64
//	dockerfile error      fails with the text in the next block, "text error"
//	dockerfile warning    converts with the warnings in the next block, "text warning"
//	json config           part of the image config that the Dockerfile before it gives
//	LANGUAGE PATH         a file for the Dockerfiles in the same section; a path with a slash
//
// With UPDATE=1, it writes the texts of errors and warnings.
func TestExamples(t *testing.T) {
	examples := 0
	for _, p := range pages(t, "docs/README.md", "docs/getting-started.md", "docs/how-it-works.md", "docs/guides", "docs/reference") {
		list := p.blocks()
		for i, b := range list {
			if b.language != "dockerfile" || strings.Contains(b.label, "/") {
				continue
			}
			examples++
			rest := list[i+1:]
			t.Run(fmt.Sprintf("%s:%d", p.name, b.first+1), func(t *testing.T) { checkExample(t, &p, list, b, rest) })
		}
		update(t, p)
	}
	if examples < 90 {
		t.Errorf("only %d examples were found", examples)
	}
}

// checkExample converts the Dockerfile b and compares the results with the blocks after it, rest.
// The parameter all contains the blocks of the page p.
func checkExample(t *testing.T, p *page, all []block, b block, rest []block) {
	r := convert(t, all, b)
	switch b.label {
	case "error":
		if r.Err == nil {
			t.Fatal("no error")
		}
		checkText(t, p, rest, "error", corpus.Error(r.Err))
		return
	case "warning":
		checkText(t, p, rest, "warning", warnings(r))
	case "", "windows":
		if text := warnings(r); text != "" {
			t.Errorf("warnings:\n%s", text)
		}
	default:
		t.Fatalf("unknown label %q", b.label)
	}
	if r.Err != nil {
		t.Fatal(corpus.Error(r.Err))
	}
	if len(rest) > 0 && rest[0].language == "json" && rest[0].label == "config" {
		checkConfig(t, r, rest[0].text)
	}
}

// convert converts the Dockerfile b with the files of its section.
func convert(t *testing.T, all []block, b block) *corpus.Record {
	t.Helper()
	c := &golden.Case{
		Name: "ext/manual", Title: "manual", Worker: []string{"linux/amd64"}, Opts: map[string]string{"cmdline": "manual"}, // do not follow # syntax
		Files: []golden.File{{Name: "Dockerfile", Data: []byte(b.text)}},
	}
	for _, f := range all {
		if f.section == b.section && strings.Contains(f.label, "/") {
			c.Files = append(c.Files, golden.File{Name: f.label, Data: []byte(f.text)})
		}
	}
	platform := "linux/amd64"
	if b.label == "windows" {
		platform = "windows/amd64"
	}
	r, err := corpus.Run(t.Context(), frontend.Build, c, platform, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lineNumber matches the end of a warning.
var lineNumber = regexp.MustCompile(` \(line \d+\)$`)

// warnings returns the warnings of a build, without line numbers.
func warnings(r *corpus.Record) string {
	var b strings.Builder
	for _, w := range r.Warnings {
		b.WriteString(lineNumber.ReplaceAllString(w.Short, "") + "\n")
	}
	return b.String()
}

// checkText compares text with the first block of list, which must have the given label. With
// UPDATE=1, it changes the page instead.
func checkText(t *testing.T, p *page, list []block, label, text string) {
	t.Helper()
	if len(list) == 0 || list[0].label != label {
		t.Fatalf("no block \"text %s\" follows", label)
	}
	want := list[0]
	if os.Getenv("UPDATE") != "" {
		for i := range strings.Count(want.text, "\n") {
			p.lines[want.first+i] = ""
		}
		p.lines[want.first] = text
		return
	}
	if d := cmp.Diff(want.text, text); d != "" {
		t.Errorf("(-page +got):\n%s", d)
	}
}

// checkConfig compares the fields in the JSON object want with the image config of a build.
func checkConfig(t *testing.T, r *corpus.Record, want string) {
	t.Helper()
	var image struct{ Config map[string]any }
	if err := json.Unmarshal(r.Metadata[exptypes.ExporterImageConfigKey], &image); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(want), &fields); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if d := cmp.Diff(fields[name], image.Config[name]); d != "" {
			t.Errorf("%s (-page +got):\n%s", name, d)
		}
	}
}

// update writes a page, if UPDATE is set.
func update(t *testing.T, p page) {
	t.Helper()
	if os.Getenv("UPDATE") == "" {
		return
	}
	if err := os.WriteFile("../"+p.name, []byte(strings.Join(p.lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}
