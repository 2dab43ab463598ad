package export

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/tree"
)

// manyFiles returns a tree with the directory sub, which has 20 empty files.
func manyFiles(t *testing.T, s *tree.Store) *tree.Node {
	t.Helper()
	empty, err := s.PutBytes(nil)
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(nil)
	if _, err := e.MkdirAll("sub", tree.Meta{Mode: 0o777}); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := e.Put(fmt.Sprintf("sub/%d", i), tree.NewFile(tree.Meta{Mode: 0o644}, empty)); err != nil {
			t.Fatal(err)
		}
	}
	return e.Tree()
}

// TestSwappedDirectory checks that WriteDir changes nothing outside the destination while
// another process replaces a directory in it by a symbolic link.
func TestSwappedDirectory(t *testing.T) {
	slowtest.Skip(t, "repeats a race")
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dest, outside := t.TempDir(), t.TempDir()
	dir, link := filepath.Join(dest, "sub"), filepath.Join(dest, "link")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(outside, link), os.Chmod(outside, 0o700)); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default: // fails while WriteDir replaces one of them
				_ = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	}()
	n := manyFiles(t, store)
	for range 100 {
		_ = Outputs{}.WriteDir(t.Context(), dest, n, store) // a swap at the wrong moment is an error
	}
	close(stop)
	<-stopped
	list, err := os.ReadDir(outside)
	info, statErr := os.Stat(outside)
	if err = errors.Join(err, statErr); err != nil || len(list) > 0 || info.Mode().Perm() != 0o700 {
		t.Errorf("outside of the destination: %d files, mode %v, %v; want none and 0700", len(list), info.Mode(), err)
	}
}

// TestSwappedTemp checks that Merge moves no files from outside the destination while another
// process replaces directories by symbolic links.
func TestSwappedTemp(t *testing.T) {
	dest, outside := t.TempDir(), t.TempDir()
	temp, secret := filepath.Join(dest, ".slipway-x"), filepath.Join(outside, "secret")
	if err := errors.Join(os.WriteFile(secret, nil, 0o600), os.Symlink(outside, temp)); err != nil {
		t.Fatal(err)
	}
	if err := Merge(temp, dest); err == nil {
		t.Error("Merge follows a link out of the destination")
	}
	if _, err := os.Stat(secret); err != nil {
		t.Error(err)
	}
}

// TestNewDirectory checks that WriteDir creates a missing destination with permissions
// for its owner only, even if the root of the written tree is accessible to all users.
func TestNewDirectory(t *testing.T) {
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "a", "b")
	n := manyFiles(t, store)
	m := n.Meta()
	m.Mode = 0o777
	if err := (Outputs{}).WriteDir(t.Context(), dest, n.WithMeta(m), store); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
}
