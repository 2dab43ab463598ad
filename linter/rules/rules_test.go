package rules

import (
	"context"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/tools/txtar"

	"slipway/diag"
	"slipway/ignore"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/linter"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// TestValidate checks that all rules are complete: texts, callbacks, documentation and
// fixtures.
func TestValidate(t *testing.T) {
	pages, err := fs.Sub(docs, "docs")
	if err != nil {
		t.Fatal(err)
	}
	if err := linter.Validate(All(), pages, os.DirFS("testdata")); err != nil {
		t.Error(err)
	}
	if n := len(All()); n != 22 {
		t.Errorf("%d rules, want 22", n)
	}
}

// resolver is a plan.Resolver with the default test images, an image for amd64 only, and
// an ignore file.
type resolver struct{ ignored string }

func (resolver) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	p := q.Platform
	if strings.Contains(ref, "amd64only") {
		p = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
		ref = "alpine"
	}
	img, err := golden.DefaultImages().Resolve(ref, p)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Digest: img.Digest, Config: img.Config}, nil
}

func (resolver) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

func (w resolver) Ignore(context.Context) (*ignore.Matcher, error) {
	return ignore.Parse(source.NewFile(".dockerignore", []byte(w.ignored)))
}

func (resolver) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }

// warningsOf plans a Dockerfile for linux/arm64, and returns the warnings from the rule r
// as text. The parameter ignored is the content of the ignore file.
func warningsOf(t *testing.T, r *linter.Rule, dockerfile, ignored string) string {
	t.Helper()
	content := []byte(dockerfile)
	value, _, _ := parser.Check(content)
	cfg, err := linter.ParseConfig(value)
	if err != nil {
		t.Fatal(err)
	}
	f, diags := parser.Parse(source.NewFile("Dockerfile", content))
	if diags.Err() != nil {
		t.Fatal(diags)
	}
	in := linter.Input{File: f}
	d, diags := instructions.Parse(f)
	if diags.Err() != nil {
		in.FirstError = diags[0].Shown()
	} else {
		p := platforms.MustParse("linux/arm64")
		in.Dockerfile = d
		in.Plan, _ = plan.Build(t.Context(), d, plan.Options{Platform: &p, Resolver: resolver{ignored}})
	}
	var b strings.Builder
	if err := diag.Text(&b, linter.Run([]*linter.Rule{r}, in, cfg), diag.TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFixtures checks the Dockerfiles in testdata/<Name>.txtar. The warnings for a
// Dockerfile in bad*/ must equal bad*/out. A Dockerfile in good*/ must cause no warnings.
func TestFixtures(t *testing.T) {
	for _, r := range All() {
		t.Run(r.Name, func(t *testing.T) { fixture(t, r) })
	}
}

// fixture checks the Dockerfiles in testdata/<Name>.txtar with the rule r.
func fixture(t *testing.T, r *linter.Rule) {
	name := "testdata/" + r.Name + ".txtar"
	ar, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) string {
		i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == name })
		if i < 0 {
			return ""
		}
		return string(ar.Files[i].Data)
	}
	seen := map[string]bool{}
	updated := &txtar.Archive{Comment: ar.Comment}
	for _, f := range ar.Files {
		dir, base, _ := strings.Cut(f.Name, "/")
		if base == "out" {
			continue
		}
		updated.Files = append(updated.Files, f)
		if base != "Dockerfile" {
			continue
		}
		got := warningsOf(t, r, string(f.Data), file(dir+"/.dockerignore"))
		good := strings.HasPrefix(dir, "good")
		if good != (got == "") {
			t.Errorf("%s: reported: %q", f.Name, got)
		}
		seen[dir[:3]] = true
		if want := file(dir + "/out"); os.Getenv("UPDATE") == "" && got != want {
			t.Errorf("%s (-want +got):\n%s", f.Name, cmp.Diff(want, got))
		}
		if !good {
			updated.Files = append(updated.Files, txtar.File{Name: dir + "/out", Data: []byte(got)})
		}
	}
	if !seen["bad"] || !seen["goo"] {
		t.Error("no bad or no good example")
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, txtar.Format(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// examplePattern matches an example in the documentation of a rule.
var examplePattern = regexp.MustCompile("(?m)^```(docker(?:file|ignore)) ?(.*)\n((?:.*\n)*?)```$")

// TestPages checks the documentation of each rule. Only examples marked with
// expect_warning may cause warnings.
func TestPages(t *testing.T) {
	for _, r := range All() {
		page, err := Page(r.Name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(page, "# "+r.Name+"\n") {
			t.Errorf("the page of %s has a wrong title", r.Name)
		}
		for _, part := range []string{"\n## Why\n", "\n## Reported\n", "\n## How to fix it\n", "\n## Limits\n"} {
			if !strings.Contains(page, part) {
				t.Errorf("the page of %s lacks %q", r.Name, part)
			}
		}
		ignored, bad, good := "", 0, 0
		for _, m := range examplePattern.FindAllStringSubmatch(page, -1) {
			if m[1] == "dockerignore" {
				ignored = m[3]
				continue
			}
			got := warningsOf(t, r, m[3], ignored)
			if expected := m[2] == "expect_warning"; expected != (got != "") {
				t.Errorf("the page of %s: %s is reported as %q", r.Name, m[3], got)
			} else if expected {
				bad++
			} else {
				good++
			}
		}
		if bad == 0 || good == 0 {
			t.Errorf("the page of %s has %d bad and %d good examples", r.Name, bad, good)
		}
	}
}
