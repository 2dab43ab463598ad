// Package testcontext creates build contexts for tests that need neither an
// image nor a kernel. The commands in their base are empty files, because steps
// are interpreted.
package testcontext

import (
	"os"
	"path/filepath"
	"testing"
)

// Write writes files below a directory, by path. All files are executable.
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

// WriteBase writes a base image into the directory base: a shell and the given
// commands.
func WriteBase(t testing.TB, dir string, commands ...string) {
	t.Helper()
	for _, name := range append(commands, "sh") {
		Write(t, filepath.Join(dir, "base", "bin"), map[string]string{name: ""})
	}
}

// New creates a context with a Dockerfile, a base with cat, and a file a.
func New(t testing.TB, dockerfile string) string {
	t.Helper()
	dir := t.TempDir()
	WriteBase(t, dir, "cat")
	Write(t, dir, map[string]string{"Dockerfile": dockerfile, "a": "content\n"})
	return dir
}
