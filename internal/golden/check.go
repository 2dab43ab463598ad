package golden

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// updateRequested reports whether UPDATE=1 is set. Tests then rewrite recorded results instead
// of comparing them.
func updateRequested() bool { return os.Getenv("UPDATE") != "" }

// Out returns the recorded result in a section of the case, as the archive contains it. The
// section plan, for example, is the file out/plan in the archive. If the case does not have the
// section, ok is false.
func (c *Case) Out(section string) (string, bool) {
	s, ok := c.out[section]
	return s, ok
}

// sections returns the package that owns each section of recorded results, by the name of the
// section. The tests of the owning package check and rewrite the section.
func sections() map[string]string {
	return map[string]string{
		"parse": "parser", "instructions": "instructions", "plan": "plan", "image": "plan",
		"llb": "dockerfile2llb", "error": "frontend", "warnings": "frontend", "answer": "frontend",
		"ejected": "frontend", "config": "frontend",
	}
}

// Check compares got with the recorded result in the given section of the case. If the case does
// not have the section, Check does nothing. With UPDATE=1 in the environment, it rewrites the
// section instead.
//
// The stored form always ends with a newline. Lines that an archive cannot contain are stored as
// Go string literals.
func (c *Case) Check(t testing.TB, section string, got []byte) {
	t.Helper()
	if _, ok := c.out[section]; ok {
		c.check(t, section, got)
	}
}

// Record compares got with the recorded result in the given section of the case. Unlike
// [Case.Check], it also fails the test if got is not empty but the section is missing, or if got
// is empty but the section exists. With UPDATE=1 in the environment, it adds, rewrites or
// removes the section.
func (c *Case) Record(t testing.TB, section, got string) {
	t.Helper()
	switch _, ok := c.out[section]; {
	case got == "" && ok && updateRequested():
		if err := rewrite(c.Path, section, nil); err != nil {
			t.Fatal(err)
		}
	case got == "" && ok:
		t.Errorf("%s: there is a section out/%s and no such result; UPDATE=1 go test removes it", c.Name, section)
	case got != "" && !ok && !updateRequested():
		t.Errorf("%s: the section out/%s is missing; UPDATE=1 go test adds it:\n%s", c.Name, section, got)
	case got != "":
		c.check(t, section, []byte(got))
	}
}

// Compare fails the test unless got equals a section of the case that another package owns.
// With UPDATE=1 it does nothing, because the tests of the owning package rewrite the section.
func (c *Case) Compare(t testing.TB, section, got string) {
	t.Helper()
	if !updateRequested() {
		c.check(t, section, []byte(got))
	}
}

func (c *Case) check(t testing.TB, section string, got []byte) {
	t.Helper()
	text := encodeSection(got)
	if want, ok := c.out[section]; ok && text == want {
		return
	}
	if updateRequested() {
		if err := rewrite(c.Path, section, &text); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s: out/%s (-want +got, UPDATE=1 go test rewrites it):\n%s", c.Name, section, cmp.Diff(c.out[section], text))
}

// rewrite replaces a section of an archive, or removes the section if its new text is nil.
// Tests of several packages rewrite the same archives concurrently. Therefore rewrite takes a
// lock, reads the archive again and replaces it atomically.
func rewrite(file, section string, text *string) error {
	unlock, err := lock(filepath.Dir(file))
	if err != nil {
		return fmt.Errorf("lock the corpus: %w", err)
	}
	defer unlock()
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	a := txtar.Parse(data)
	name := "out/" + section
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == name })
	switch {
	case text == nil && i < 0:
		return nil
	case text == nil:
		a.Files = slices.Delete(a.Files, i, i+1)
	case i < 0:
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(*text)})
		sortRecorded(a.Files)
	default:
		a.Files[i].Data = []byte(*text)
	}
	return replaceFile(file, txtar.Format(a))
}

// sortRecorded moves the sections of recorded results to the end of an archive and sorts them by
// name. Without sorting, the order of the sections would depend on which test ran first.
func sortRecorded(files []txtar.File) {
	isOut := func(f txtar.File) bool { return len(f.Name) > 4 && f.Name[:4] == "out/" }
	slices.SortStableFunc(files, func(a, b txtar.File) int {
		switch {
		case isOut(a) != isOut(b):
			if isOut(b) {
				return -1
			}
			return 1
		case isOut(a) && a.Name < b.Name:
			return -1
		case isOut(a) && a.Name > b.Name:
			return 1
		}
		return 0
	})
}

func replaceFile(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after a successful rename, which is expected
	if _, err := tmp.Write(data); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// lock locks the directory dir, so that only one process at a time rewrites its archives. The
// lock file is outside of dir, because testdata must contain only archives.
func lock(dir string) (unlock func(), err error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(abs))
	l := flock.New(filepath.Join(os.TempDir(), "slipway-golden-"+hex.EncodeToString(sum[:8])+".lock"))
	if err := l.Lock(); err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}
