//go:build integration

package buildfaults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// used returns the number of bytes in use on the file system that contains dir.
func used(t *testing.T, dir string) int {
	t.Helper()
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		t.Fatal(err)
	}
	return int(stat.Blocks-stat.Bfree) * int(stat.Bsize)
}

// TestFullStore runs commands on a disk without enough space: builds that write layers again
// must fail with one error, and prunes that move files out of layers must succeed. When the
// disk has enough space again, the next build must find all results.
func TestFullStore(t *testing.T) {
	const large = 400 << 20
	s := newDamagedSite(t)
	disk := filepath.Join(s.dir, "disk")
	s.state = filepath.Join(disk, "state")
	mountTmpfs(t, disk, large)
	prune := func(about string) {
		t.Helper()
		if out, err := s.start("cache", "prune", "--force", "--filter", "type=internal", "--state", s.state).CombinedOutput(); err != nil {
			t.Errorf("%s: prune: %v\n%s", about, err, out)
		}
	}
	checkAll := func(about string) {
		t.Helper()
		resizeTmpfs(t, disk, large)
		s.setContent(0)
		args, check := s.exported()
		if messages, steps := s.run(about, args); len(messages) > 0 || len(steps) > 0 {
			t.Errorf("%s: the next build prints %q and repeats %q", about, messages, steps)
		}
		check()
		s.checkNoTemp()
	}
	failed := 0
	for _, free := range []int{0, 64 << 10, 512 << 10, 2 << 20, 5 << 20, 7 << 20} {
		about := fmt.Sprintf("%d bytes free", free)
		resizeTmpfs(t, disk, large)
		copyState(t, s.pristine, s.state)
		prune(about)
		resizeTmpfs(t, disk, used(t, disk)+free)
		args, _ := s.changed()
		if out, err := s.command(args...).CombinedOutput(); err != nil {
			failed++
			if _, text, _ := strings.Cut(string(out), "error: "); !strings.Contains(text, "no space left on device") || strings.Contains(string(out), "panic:") {
				t.Errorf("%s: %v\n%s", about, err, out)
			}
		}
		if err := os.RemoveAll(filepath.Join(s.dir, "out", "files")); err != nil {
			t.Fatal(err)
		}
		checkAll(about)
		resizeTmpfs(t, disk, used(t, disk))
		prune(about + ", full disk")
		checkAll(about + ", full disk")
	}
	if failed == 0 {
		t.Error("no build failed")
	}
}
