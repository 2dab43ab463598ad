package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStateOwner checks that opening a state directory fails, and changes nothing, if
// another user could control what a build reads or writes there.
func TestStateOwner(t *testing.T) {
	own := os.Geteuid()
	dir := filepath.Join(t.TempDir(), "state")
	if err := checkOwner(dir, own); err != nil {
		t.Errorf("a directory that does not exist: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	link := dir + "-link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{dir, link} {
		if err := checkOwner(at, own); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	if own != 0 {
		if err := checkOwner(dir, own); err != nil {
			t.Errorf("a link of an ordinary user: %v", err)
		}
		if err := checkOwner(dir, own+1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
			t.Errorf("the directory of another user: %v", err)
		}
		return
	}
	refused := func(at, want string) {
		t.Helper()
		_, err := Open(at, time.Now)
		if err == nil || err.Error() != "state directory: "+want {
			t.Errorf("opened: %v, want %s", err, want)
		}
		if _, err := Entries(t.Context(), at, time.Now); err == nil || err.Error() != "state directory: "+want {
			t.Errorf("cache ls: %v, want %s", err, want)
		}
		if _, _, err := HoldOutputs(t.Context(), at); err == nil || err.Error() != "state directory: "+want {
			t.Errorf("a build on a builder: %v, want %s", err, want)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("the directory has %v, %v, want the link only", list, err)
		}
	}
	refused(dir, `"`+dir+`/store" is a symbolic link (remove it, or name another directory with --state)`)
	if err := os.Lchown(link, 1234, 0); err != nil {
		t.Fatal(err)
	}
	refused(link, `"`+link+`" belongs to user 1234 (name a directory of your own with --state)`)
	if err := os.Chown(dir, 1234, 0); err != nil {
		t.Fatal(err)
	}
	refused(dir, `"`+dir+`" belongs to user 1234 (name a directory of your own with --state)`)
}
