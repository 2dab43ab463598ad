package discover_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/lint/discover"
)

// TestIsDockerfile checks which names are those of Dockerfiles.
func TestIsDockerfile(t *testing.T) {
	for _, name := range []string{"Dockerfile", "dockerfile", "Containerfile", "Dockerfile.dev", "app.Dockerfile", "DOCKERFILE.X", "a.containerfile"} {
		if !discover.IsDockerfile(name) {
			t.Errorf("%s is no Dockerfile", name)
		}
	}
	for _, name := range []string{"Dockerfiles", "mydockerfile", "Dockerfile.dockerignore", ".dockerignore", "dockerfile.go", "Dockerfile.md", "Dockerfile~"} {
		if discover.IsDockerfile(name) {
			t.Errorf("%s is a Dockerfile", name)
		}
	}
}

// TestFiles checks which files arguments select.
func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"Dockerfile": "", "a/b/Dockerfile.x": "", "a/other": "", ".hidden/Dockerfile": "", ".git/Dockerfile": "", "node_modules/m/Dockerfile": "",
		"ignored/Dockerfile": "", ".gitignore": "ignored/\n# c\n", "a/.gitignore": "local\n", "a/local/Dockerfile": "", "local/Dockerfile": "", "Dockerfile.dir/x": "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct{ args, want string }{
		{".", ".hidden/Dockerfile Dockerfile a/b/Dockerfile.x local/Dockerfile"},
		{"a/other", "a/other"},
		{"a Dockerfile a", "a/b/Dockerfile.x Dockerfile"},
		{"**/Dockerfile.*", "a/b/Dockerfile.x"},
		{"a/**", "a/.gitignore a/b/Dockerfile.x a/other"},
		{"*/other", "a/other"},
		{"ignored/Dockerfile", "ignored/Dockerfile"},
	} {
		got, err := discover.Files(strings.Fields(tc.args))
		for i := range got {
			got[i] = filepath.ToSlash(got[i])
		}
		if want := strings.Fields(tc.want); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, error %v, want %v", tc.args, got, err, want)
		}
	}
	if _, err := discover.Files([]string{"missing"}); err == nil {
		t.Error("no error for a missing file")
	}
}

// TestFilesBelow checks that the .gitignore files above the start directory count, up to the root
// of the repository.
func TestFilesBelow(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		".gitignore": "*.dev\n", "repo/.git/HEAD": "", "repo/.gitignore": "/a/b/ignored/\n/ignored/\n*.old\n", "repo/a/.gitignore": "b/x/\n!kept.old\n",
		"repo/a/b/Dockerfile": "", "repo/a/b/ignored/Dockerfile": "", "repo/a/b/x/Dockerfile": "", "repo/a/b/c/ignored/Dockerfile.dev": "",
		"repo/a/b/c/Dockerfile.old": "", "repo/a/b/c/Dockerfile.kept.old": "", "other/Dockerfile.dev": "",
	} {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for start, want := range map[string]string{
		"repo/a/b": "Dockerfile c/ignored/Dockerfile.dev",
		"repo":     "a/b/Dockerfile a/b/c/ignored/Dockerfile.dev",
		"other":    "Dockerfile.dev",

		"repo/a/b/ignored": "Dockerfile",
	} {
		t.Chdir(filepath.Join(dir, start))
		got, err := discover.Files([]string{"."})
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %v, error %v, want %s", start, got, err, want)
		}
	}
}

// TestMatch checks patterns.
func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"**/a", "a", true},
		{"**/a", "x/y/a", true},
		{"x/**", "x/y/a", true},
		{"x/*", "x/y/a", false},
		{"x/**/a", "x/a", true},
		{"*.go", "x/a.go", false},
		{"[", "[", false},
	} {
		if got := discover.Match(tc.pattern, tc.name); got != tc.want {
			t.Errorf("Match(%q, %q) = %v", tc.pattern, tc.name, got)
		}
	}
}
