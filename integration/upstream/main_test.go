package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCheck checks which moves are refused, before and after the module is tidied.
func TestCheck(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", root, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	check := func(version, want string) {
		t.Helper()
		got := ""
		if err := (move{root: root, version: version, log: io.Discard}).check(t.Context()); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("version %q: error %q, want %q", version, got, want)
		}
	}
	write("go.mod", "module x\n\ngo 1.26\n\nrequire github.com/moby/buildkit v0.34.2\n")
	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "x")
	check("v0.35.0", "")
	check("", "VERSION is not set (use make upstream VERSION=v0.35.0)")
	check("0.35", `VERSION "0.35": not a version of BuildKit (use vMAJOR.MINOR.PATCH, such as v0.35.0)`)
	write("new.go", "package x\n")
	check("v0.35.0", "the work tree differs from its commit (commit, stash or remove the changes)")
	check("v0.34.2", "")
	m := move{root: root, version: "v0.34.2"}
	if err := m.checkPinned(""); err != nil {
		t.Error(err)
	}
	m.version = "v0.33.1"
	const other = "go.mod: requires BuildKit v0.34.2 instead of v0.33.1 (replace packages that v0.33.1 lacks, see above)"
	if err := m.checkPinned(""); err == nil || err.Error() != other {
		t.Errorf("error %v, want %s", err, other)
	}
	write("go.mod", "module x\n")
	check("v0.35.0", "go.mod: does not require github.com/moby/buildkit")
}
