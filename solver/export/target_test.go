//go:build unix

package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFindTarget checks that FindTarget follows all links, whether the target exists or
// not, and that devices, pipes and open files are written in place.
func TestFindTarget(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"sub", "sub/deep"} {
		if err := os.Mkdir(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"link": "file", "dangling": "sub/none", "chain": "link", "loop": "loop", "null": "/dev/null",
		"dir": "sub/deep", "up": "dir/../other",
	} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(at("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Target{
		"file": {at("file"), false}, "link": {at("file"), false}, "chain": {at("file"), false},
		"none": {at("none"), false}, "dangling": {at("sub/none"), false}, "no/such/dir": {at("no/such/dir"), false},
		"pipe": {at("pipe"), true}, "null": {"/dev/null", true}, "up": {at("sub/other"), false}, "sub": {at("sub"), false},
	} {
		if got, err := FindTarget(at(name)); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	if _, err := FindTarget(at("loop")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
	if got, err := FindTarget("/proc/self/fd/1"); err != nil || !got.InPlace {
		t.Errorf("an open file: %v, %v", got, err)
	}
}

// TestPipe checks that writing to a pipe waits for a reader, until the context ends.
func TestPipe(t *testing.T) {
	pipe, unread := filepath.Join(t.TempDir(), "pipe"), filepath.Join(t.TempDir(), "pipe")
	for _, name := range []string{pipe, unread} {
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Write(ctx, unread, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("without a reader: %v", err)
	}
	if data, err := os.ReadFile(unread); err != nil || len(data) > 0 {
		t.Errorf("a late reader gets %q, %v", data, err)
	}
	read := make(chan string)
	go func() {
		data, err := os.ReadFile(pipe)
		if err != nil {
			t.Error(err)
		}
		read <- string(data)
	}()
	if err := Write(t.Context(), pipe, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "text" {
		t.Errorf("read %q", got)
	}
	if err := Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(pipe); err != nil {
		t.Errorf("the pipe was removed: %v", err)
	}
}

// TestAppended checks that Write appends to an open file that is given as a path in
// /proc/self/fd.
func TestAppended(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("before "); err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), fmt.Sprintf("/proc/self/fd/%d", f.Fd()), []byte("after")); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(f.Name()); err != nil || string(data) != "before after" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestRecords checks that Reclaim removes a recorded incomplete output, and that nothing
// is recorded without a directory for records.
func TestRecords(t *testing.T) {
	dir, notes := t.TempDir(), filepath.Join(t.TempDir(), "notes")
	temp, done, err := Outputs{}.TempPath(dir)
	if err != nil || filepath.Dir(temp) != dir || !strings.HasPrefix(filepath.Base(temp), tempPrefix) {
		t.Fatalf("%s, %v", temp, err)
	}
	done()
	o := Outputs{Records: notes}
	temp, _, err = o.TempPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := o.Reclaim(); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("files after Reclaim: %v, %v, want none", list, err)
	}
}

// TestWriteFileInPlace checks that WriteFile writes to a pipe and does not replace it.
func TestWriteFileInPlace(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		data, _ := os.ReadFile(pipe)
		read <- string(data)
	}()
	err := Outputs{Records: t.TempDir()}.WriteFile(t.Context(), pipe, func(w io.Writer) error {
		_, err := io.WriteString(w, "text")
		return err
	})
	if info, statErr := os.Lstat(pipe); err != nil || statErr != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("%v: the pipe became %v, %v", err, info, statErr)
	} else if got := <-read; got != "text" {
		t.Errorf("the pipe got %q", got)
	}
}
