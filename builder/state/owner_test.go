package builder

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/internal/testcontext"
)

// TestStall: no server of a build may be silent for longer than two minutes.
func TestStall(t *testing.T) {
	o := &Options{State: t.TempDir(), Now: time.Now}
	s, err := openState(o)
	if err != nil {
		t.Fatal(err)
	}
	src := s.sources(o, &places{})
	if src.Stall != 2*time.Minute || src.HTTP.Transport == http.DefaultTransport {
		t.Errorf("the limit is %v, want two minutes, and one for HTTP", src.Stall)
	}
}

// TestStateOwner: a state directory through which another user could change what a
// build reads or writes is refused, and left as it was.
func TestStateOwner(t *testing.T) {
	own := os.Geteuid()
	dir := filepath.Join(t.TempDir(), "state")
	if err := checkState(dir, own); err != nil {
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
		if err := checkState(at, own); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "store")); err != nil {
		t.Fatal(err)
	}
	if own != 0 {
		if err := checkState(dir, own); err != nil {
			t.Errorf("a link of an ordinary user: %v", err)
		}
		if err := checkState(dir, own+1); err == nil || !strings.Contains(err.Error(), "belongs to user") {
			t.Errorf("the directory of another user: %v", err)
		}
		return
	}
	refused := func(at, want string) {
		t.Helper()
		err := Run(t.Context(), Options{Context: testcontext.New(t, "FROM scratch\n"), State: at, Now: time.Now})
		if err == nil || err.Error() != "state directory: "+want {
			t.Errorf("a build: %v, want %s", err, want)
		}
		if _, err := CacheEntries(t.Context(), at, time.Now); err == nil || err.Error() != "state directory: "+want {
			t.Errorf("cache ls: %v, want %s", err, want)
		}
		if _, _, err := (&Options{State: at}).holdOutputs(t.Context()); err == nil || err.Error() != "state directory: "+want {
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
