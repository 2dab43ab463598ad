package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck type-checks a package that compiles only for Linux. There must be no errors
// for Linux, and one error per problem for another platform.
func TestCheck(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":            "module m\n\ngo 1.26\n",
		"m.go":              "package m\n\nimport \"strings\"\n\nvar _ = strings.ToUpper(name)\n",
		"m_linux.go":        "package m\n\nconst name = \"linux\"\n",
		"m_windows.go":      "package m\n\nconst name = 1\n",
		"m_windows_test.go": "package m\n\nvar _ = missing\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for platform, want := range map[string]int{"linux/arm64": 0, "windows/amd64": 2} {
		var out strings.Builder
		n, err := check(t.Context(), &out, root, platform, []string{"./..."})
		if err != nil || n != want || strings.Count(out.String(), "\n") != want {
			t.Errorf("%s: %d errors, want %d: %v\n%s", platform, n, want, err, out.String())
		}
	}
	if _, err := check(t.Context(), os.Stdout, root, "linux", []string{"./..."}); err == nil {
		t.Error("no error for a platform without an architecture")
	}
}
