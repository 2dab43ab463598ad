// Package testcontext creates build contexts for tests. The base image is a directory of the
// context, so a test needs no registry. The commands in the image are empty files: the portable
// runner interprets steps, so a test needs no kernel features.
package testcontext

import (
	"os"
	"path/filepath"
	"testing"
)

// Write writes files below dir. The map contains the content of each file, by its path relative
// to dir. All files are executable.
func Write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, data := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// WriteBase writes the files of a base image to the directory dir/base: empty files for a shell
// and the given commands.
func WriteBase(t testing.TB, dir string, commands ...string) {
	t.Helper()
	for _, name := range append(commands, "sh") {
		Write(t, filepath.Join(dir, "base", "bin"), map[string]string{name: ""})
	}
}

// New creates a build context with the given Dockerfile, a base image with the commands sh and
// cat, and a file named "a". It returns the directory of the context.
func New(t testing.TB, dockerfile string) string {
	t.Helper()
	dir := t.TempDir()
	WriteBase(t, dir, "cat")
	Write(t, dir, map[string]string{"Dockerfile": dockerfile, "a": "content\n"})
	return dir
}
