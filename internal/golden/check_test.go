package golden

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recordingTB is a testing.TB that records errors. It implements only the methods that
// [Case.Check] calls.
type recordingTB struct {
	testing.TB
	errs []string
}

func (*recordingTB) Helper()                        {}
func (r *recordingTB) Errorf(f string, args ...any) { r.errs = append(r.errs, fmt.Sprintf(f, args...)) }
func (r *recordingTB) Fatal(args ...any)            { r.errs = append(r.errs, fmt.Sprint(args...)) }

func writeCase(t *testing.T, data string) *Case {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "copy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "copy", "a.txtar"), []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return reload(t, root)
}

func reload(t *testing.T, root string) *Case {
	t.Helper()
	cases, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) != 1 {
		t.Fatalf("%d cases", len(cases))
	}
	return cases[0]
}

func TestCheck(t *testing.T) {
	t.Setenv("UPDATE", "")
	c := writeCase(t, "# t\n-- out/plan --\nthe plan\n\"-- x --\"\n")
	tests := []struct {
		name string
		call func(t testing.TB)
		want string // part of the error; "" if none is expected
	}{
		{"same", func(t testing.TB) { c.Check(t, "plan", []byte("the plan\n-- x --\n")) }, ""},
		{"same without line end", func(t testing.TB) { c.Check(t, "plan", []byte("the plan\n-- x --")) }, ""},
		{"other", func(t testing.TB) { c.Check(t, "plan", []byte("a plan")) }, "-want +got"},
		{"not checked", func(t testing.TB) { c.Check(t, "llb", []byte("x")) }, ""},
		{"must be there", func(t testing.TB) { c.Record(t, "llb", "x") }, "the section out/llb is missing"},
		{"must not be there", func(t testing.TB) { c.Record(t, "plan", "") }, "no such result"},
		{"is not there", func(t testing.TB) { c.Record(t, "llb", "") }, ""},
		{"same as another package's", func(t testing.TB) { c.Compare(t, "plan", "the plan\n-- x --\n") }, ""},
		{"another package's", func(t testing.TB) { c.Compare(t, "llb", "x") }, "-want +got"},
	}
	for _, tt := range tests {
		r := &recordingTB{}
		tt.call(r)
		got := strings.Join(r.errs, "\n")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: error %q, want …%s…", tt.name, got, tt.want)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Setenv("UPDATE", "1")
	c := writeCase(t, "# t\n\n-- Dockerfile --\nFROM alpine\n-- out/plan --\nold\n-- out/error --\nx\n")
	c.Check(t, "plan", []byte("new\n-- x --\nnul \x00"))
	c.Check(t, "unchecked", []byte("x"))
	c.Compare(t, "plan", "x")
	c.Record(t, "llb", "llb")
	c.Record(t, "image", "")
	c.Record(t, "error", "")
	got, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := "# t\n\n-- Dockerfile --\nFROM alpine\n-- out/llb --\nllb\n" +
		"-- out/plan --\nnew\n\"-- x --\"\n\"nul \\x00\"\n"
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
}

// TestConcurrentUpdates checks that concurrent updates of one archive do not overwrite each other.
func TestConcurrentUpdates(t *testing.T) {
	t.Setenv("UPDATE", "1")
	c := writeCase(t, "# t\n")
	root := filepath.Dir(filepath.Dir(c.Path))
	var wg sync.WaitGroup
	names := slices.Sorted(maps.Keys(sections()))
	for i := range names {
		wg.Go(func() { c.Record(t, names[i], fmt.Sprint(i)) })
	}
	wg.Wait()
	after := reload(t, root)
	for i, section := range names {
		if got, _ := after.Out(section); got != fmt.Sprintln(i) {
			t.Errorf("section %s: %q", section, got)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(c.Path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("temporary files remain: %v", entries)
	}
}
