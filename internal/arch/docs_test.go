package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docPath matches a file or directory of this repository in backquotes: a path with a
// slash, such as `plan/eval.go`.
var docPath = regexp.MustCompile("`((?:builder|cmd|diag|dockerfile2llb|examples|frontend|gitref|ignore|instructions|integration|internal|linter|parser|plan|shell|solver|source|testdata)/[A-Za-z0-9_./-]*)`")

// TestDocumentPaths checks that files and directories that the documents name exist.
func TestDocumentPaths(t *testing.T) {
	const root = "../.."
	docs, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil || len(docs) == 0 {
		t.Fatalf("%v, %v", docs, err)
	}
	for _, doc := range append(docs, filepath.Join(root, "testdata", "README.md")) {
		data, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(data), "\n") {
			for _, m := range docPath.FindAllStringSubmatch(line, -1) {
				if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
					t.Errorf("%s:%d: %q does not exist", filepath.Base(doc), i+1, m[1])
				}
			}
		}
	}
}
