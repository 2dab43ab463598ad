package regularfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, link} {
		if data, err := Read(name); err != nil || string(data) != "x" {
			t.Errorf("%s: read %q, %v", name, data, err)
		}
		if err := Check(name); err != nil {
			t.Error(err)
		}
	}
	if data, err := fs.ReadFile(Dir(dir), "file"); err != nil || string(data) != "x" {
		t.Errorf("read %q, %v", data, err)
	}
	const want = "is not a regular file"
	for _, name := range []string{dir, os.DevNull} {
		if _, err := Open(name); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
		if err := Check(name); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
	none := filepath.Join(dir, "none")
	if _, err := Read(none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := Check(none); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"none", "../x", "/file"} {
		if f, err := Dir(dir).Open(name); err == nil || f != nil {
			t.Errorf("%s: opened %v, error %v", name, f, err)
		}
	}
}
