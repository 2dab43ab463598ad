package promises

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/internal/testcontext"
)

// TestUnusedFiles checks that a build does not open files that no instruction copies, even if
// they are unreadable. It must not even list directories that .dockerignore excludes.
func TestUnusedFiles(t *testing.T) {
	m := newMachine(t, map[string]string{
		"src/used": "x", "unused": "x", "other/unused": "x", "src/ignored/deep/file": "x", ".dockerignore": "src/ignored\n",
	})
	if err := syscall.Mkfifo(filepath.Join(m.o.Context, "src", "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(m.o.Context, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(m.o.Context, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	always := []string{"./", ".dockerignore", "Dockerfile", "src/", "src/used"}
	for _, tc := range []struct {
		copied string
		opened []string
	}{
		{"src/used", always},
		{"src", always},
		// Like BuildKit's clients, list all files that are not ignored if a source has a
		// wildcard.
		{"src/u*", append([]string{"base/", "base/bin/", "other/"}, always...)},
	} {
		m.o.State = t.TempDir()
		testcontext.Write(t, m.o.Context, map[string]string{"Dockerfile": ""})
		w := newWatch(t, m.o.Context)
		m.mustBuild("FROM scratch\nCOPY " + tc.copied + " /\n")
		got := slices.DeleteFunc(w.opened(), func(name string) bool { return name == "closed/" }) // root may open closed/, others may not
		slices.Sort(tc.opened)
		if !slices.Equal(got, tc.opened) {
			t.Errorf("COPY %s: opened %q, want %q", tc.copied, got, tc.opened)
		}
	}
}

// TestChangedFiles checks that a build reads only those files that changed since the previous
// build.
func TestChangedFiles(t *testing.T) {
	m := newMachine(t, map[string]string{"src/a": "a", "src/b": "b", "src/c": "c"})
	const dockerfile = "FROM scratch\nCOPY src /\n"
	settle := func() { time.Sleep(50 * time.Millisecond) } // a file written too recently is read again even if its time is unchanged
	settle()
	m.mustBuild(dockerfile)
	w := newWatch(t, filepath.Join(m.o.Context, "src"))
	read := func(about string, want ...string) {
		t.Helper()
		m.mustBuild(dockerfile)
		got := slices.DeleteFunc(w.opened(), func(name string) bool { return strings.HasSuffix(name, "/") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: opened %q, want %q", about, got, want)
		}
	}
	path := func(name string) string { return filepath.Join(m.o.Context, "src", name) }
	read("nothing changed")
	testcontext.Write(t, m.o.Context, map[string]string{"src/b": "2"})
	settle()
	w.opened()
	read("a file changed", "b")
	read("nothing changed after that")
	info, err := os.Stat(path("c"))
	if err != nil {
		t.Fatal(err)
	}
	testcontext.Write(t, m.o.Context, map[string]string{"src/new": "x"})
	if err := os.Rename(path("new"), path("c")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path("c"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	settle()
	w.opened()
	read("another file of the same size, time and name", "c")
	if data, err := os.ReadFile(filepath.Join(m.mustBuild(dockerfile), "c")); err != nil || string(data) != "x" {
		t.Errorf("the build has %q, %v", data, err)
	}
}
