package daemon

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestUpstream checks that our solver's cases cover BuildKit's Dockerfile test suite. Each
// test must be named in an "upstream:" header of a case, or in testdata/upstream.txt with a
// reason.
func TestUpstream(t *testing.T) {
	tests := upstreamTests(t)
	covered := map[string][]string{}
	for _, file := range caseFiles(t) {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(a.Comment)) {
			if names, ok := strings.CutPrefix(line, "upstream: "); ok {
				for _, name := range strings.Fields(names) {
					covered[name] = append(covered[name], file)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(covered)) {
		if tests[name] == "" {
			t.Errorf("%s names %s, which BuildKit does not have", covered[name], name)
		}
	}
	reasons := readReasons(t)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		_, ofTest := reasons[name]
		_, ofFile := reasons[tests[name]]
		switch {
		case covered[name] == nil && !ofTest && !ofFile:
			t.Errorf("%s of %s has no case", name, tests[name])
		case covered[name] != nil && ofTest:
			t.Errorf("%s has a case and a reason for omitting it", name)
		}
	}
	names := slices.Collect(maps.Values(tests))
	for name := range reasons {
		if tests[name] == "" && !slices.Contains(names, name) {
			t.Errorf("testdata/upstream.txt: BuildKit has no %s", name)
		}
	}
}

// upstreamTests returns the test functions of BuildKit's Dockerfile suite, as a map from names
// to file names.
func upstreamTests(t *testing.T) map[string]string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/moby/buildkit/frontend/dockerfile/parser").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimSpace(string(dir))), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (test\w+)\(t \*testing\.T, sb integration\.Sandbox`).FindAllSubmatch(text, -1) {
			tests[string(m[1])] = filepath.Base(file)
		}
	}
	if len(tests) < 200 {
		t.Fatalf("BuildKit's suite has only %d tests", len(tests))
	}
	return tests
}

func readReasons(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/upstream.txt")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, why, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || reasons[name] != "" {
			t.Errorf("testdata/upstream.txt: bad line %q", line)
		}
		reasons[name] = why
	}
	return reasons
}

// caseFiles returns the paths of the cases that our solver builds.
func caseFiles(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, dir := range []string{"image", "solver"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, files...)
	}
	return list
}
