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

// updating reports whether results are to be written instead of compared.
func updating() bool { return os.Getenv("UPDATE") != "" }

// Out returns the recorded result of a section as it is stored, and whether
// there is one.
func (c *Case) Out(section string) (string, bool) {
	s, ok := c.out[section]
	return s, ok
}

// sections maps the sections that results are recorded in to the packages that
// own them: whose test writes and checks them.
func sections() map[string]string {
	return map[string]string{
		"parse": "parser", "instructions": "instructions", "plan": "plan", "image": "plan",
		"llb": "dockerfile2llb", "error": "frontend", "warnings": "frontend", "answer": "frontend",
	}
}

// Check compares a result with the section out/<section>. A case without the
// section is not checked for it. With UPDATE=1 in the environment the section
// is rewritten instead.
//
// The stored form always ends with a line end, and has lines that an archive
// cannot hold as Go string literals.
func (c *Case) Check(t testing.TB, section string, got []byte) {
	t.Helper()
	if _, ok := c.out[section]; ok {
		c.check(t, section, got)
	}
}

// Record is [Case.Check] for a section that every case with such a result must
// have: a missing section is an error, and so is a section if got is empty. With
// UPDATE=1 the section is added or removed.
func (c *Case) Record(t testing.TB, section, got string) {
	t.Helper()
	switch _, ok := c.out[section]; {
	case got == "" && ok && updating():
		if err := rewrite(c.Path, section, nil); err != nil {
			t.Fatal(err)
		}
	case got == "" && ok:
		t.Errorf("%s: there is a section out/%s and no such result; UPDATE=1 go test removes it", c.Name, section)
	case got != "" && !ok && !updating():
		t.Errorf("%s: the section out/%s is missing; UPDATE=1 go test adds it:\n%s", c.Name, section, got)
	case got != "":
		c.check(t, section, []byte(got))
	}
}

// Compare compares a result with a section that another package owns. With
// UPDATE=1 it does nothing.
func (c *Case) Compare(t testing.TB, section, got string) {
	t.Helper()
	if !updating() {
		c.check(t, section, []byte(got))
	}
}

func (c *Case) check(t testing.TB, section string, got []byte) {
	t.Helper()
	text := encodeSection(got)
	if want, ok := c.out[section]; ok && text == want {
		return
	}
	if updating() {
		if err := rewrite(c.Path, section, &text); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s: out/%s (-want +got, UPDATE=1 go test rewrites it):\n%s", c.Name, section, cmp.Diff(c.out[section], text))
}

// rewrite replaces a section of an archive, or removes it if text is nil. The
// tests of several packages run at once and write to the same archives: the
// archive is read again under a lock and replaced in one step.
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
		sortOut(a.Files)
	default:
		a.Files[i].Data = []byte(*text)
	}
	return replaceFile(file, txtar.Format(a))
}

// sortOut moves sections behind the other files and sorts them by name, so
// that the order does not depend on which package's test ran first.
func sortOut(files []txtar.File) {
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
	defer os.Remove(tmp.Name()) // fails when the file has been renamed, as it should
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

// lock waits for the lock of a directory. The lock lies outside of it: the
// archives are replaced, and the corpus holds nothing but archives.
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
