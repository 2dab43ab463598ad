package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docPath matches a file or directory of this repository in backquotes: a path with a
// slash, such as `plan/eval.go`.
var docPath = regexp.MustCompile("`((?:builder|cmd|diag|dockerfile2llb|docs|examples|frontend|gitref|ignore|instructions|integration|internal|lint|linter|parser|plan|shell|solver|source|testdata)/[A-Za-z0-9_./-]*)`")

// docName matches the name of a Go file in backquotes without a directory, such as `names.go`.
// The directory of the file is the directory of another path in the same line, such as
// `plan/eval.go`.
var docName = regexp.MustCompile("`([a-z0-9_]+\\.go)`")

// TestDocumentPaths checks that the files and directories that Markdown documents name in
// backquotes exist.
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
			var dirs []string
			for _, m := range docPath.FindAllStringSubmatch(line, -1) {
				if !exists(filepath.Join(root, m[1])) {
					t.Errorf("%s:%d: %q does not exist", filepath.Base(doc), i+1, m[1])
				}
				for dir := m[1]; dir != "."; dir = filepath.Dir(dir) {
					dirs = append(dirs, dir)
				}
			}
			for _, m := range docName.FindAllStringSubmatch(line, -1) {
				if len(dirs) > 0 && !slices.ContainsFunc(dirs, func(dir string) bool { return exists(filepath.Join(root, dir, m[1])) }) {
					t.Errorf("%s:%d: %q does not exist in %q", filepath.Base(doc), i+1, m[1], dirs)
				}
			}
		}
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
