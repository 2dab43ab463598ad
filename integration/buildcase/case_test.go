package buildcase

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) *Case {
	t.Helper()
	c, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNext checks that Lay and Next write the expected files to disk before each build of a
// case.
func TestNext(t *testing.T) {
	c := parse(t, `Three builds
attr: target=x
attr: build-arg:A=1
secret: id=value
mode: context/a 0750
time: context/a 2001-02-03T04:05:06.5Z
dir: "context/d e" 1777
link: context/l a
hard: context/h context/a
size: context/s 5
again: attr: build-arg:A=2
again: remove: context/l
again2: remove: context/none
again2: rename: context/a context/b
-- Dockerfile --
FROM x
-- Dockerfile.again2 --
FROM y
-- context/a --
a
-- context/s --
s
-- again/d e/f --
f
-- again/h --
own
-- again/s/in --
in
`)
	if c.About != "Three builds" || c.Builds() != 3 {
		t.Errorf("about %q, %d builds", c.About, c.Builds())
	}
	dir := t.TempDir()
	l, err := c.Lay(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for more := true; more; {
		req := l.Request()
		got = append(got, strings.TrimSpace(req.Dockerfile)+" A="+req.Attrs["build-arg:A"]+" target="+req.Attrs["target"]+" secret="+string(req.Secrets["id"]))
		got = append(got, list(t, filepath.Join(dir, "context"))...)
		if more, err = l.Next(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"FROM x A=1 target=x secret=value",
		"drwxr-xr-x . 2020-01-02T03:04:05Z",
		"-rwxr-x--- a 2001-02-03T04:05:06.5Z a\n",
		"dtrwxrwxrwx d e 2020-01-02T03:04:05Z",
		"-rwxr-x--- h 2001-02-03T04:05:06.5Z a\n",
		"Lrwxrwxrwx l 2020-01-02T03:04:05Z",
		"-rw-r--r-- s 2020-01-02T03:04:05Z s\n\x00\x00\x00",
		"FROM x A=2 target=x secret=value",
		"drwxr-xr-x . 2020-01-02T03:04:05Z",
		"-rwxr-x--- a 2001-02-03T04:05:06.5Z a\n",
		"dtrwxrwxrwx d e 2020-01-02T03:04:05Z",
		"-rw-r--r-- d e/f 2020-01-02T03:04:05Z f\n",
		"-rw-r--r-- h 2020-01-02T03:04:05Z own\n",
		"drwxr-xr-x s 2020-01-02T03:04:05Z",
		"-rw-r--r-- s/in 2020-01-02T03:04:05Z in\n",
		"FROM y A=2 target=x secret=value",
		"drwxr-xr-x . 2020-01-02T03:04:05Z",
		"-rwxr-x--- b 2001-02-03T04:05:06.5Z a\n",
		"dtrwxrwxrwx d e 2020-01-02T03:04:05Z",
		"-rw-r--r-- d e/f 2020-01-02T03:04:05Z f\n",
		"-rw-r--r-- h 2020-01-02T03:04:05Z own\n",
		"drwxr-xr-x s 2020-01-02T03:04:05Z",
		"-rw-r--r-- s/in 2020-01-02T03:04:05Z in\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// list returns one line per file below dir, with its mode, time and content.
func list(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		line := info.Mode().String() + " " + name + " " + info.ModTime().UTC().Format(time.RFC3339Nano)
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += " " + string(data)
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestInvalidCase checks that Parse and Lay reject invalid cases.
func TestInvalidCase(t *testing.T) {
	for _, text := range []string{
		"About\nno header\n",
		"About\nagain: no header\n",
		"About\nagain: secret: id=value\n",
		"About\n-- nowhere --\n",
		"About\n-- archive/a.tar --\nfile 0644\n",
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
	for _, header := range []string{"unknown: context/a 1", "mode: context/none 0644", "mode: context/a x", "time: context/a today", `link: "context/a x`} {
		if _, err := parse(t, "About\n"+header+"\n-- context/a --\n").Lay(t.TempDir()); err == nil {
			t.Errorf("no error for header %q", header)
		}
	}
}
