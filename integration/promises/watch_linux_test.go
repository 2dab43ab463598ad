package promises

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// watcher records the files that processes open below a directory, using inotify(7). It also
// records opened directories, with a slash at the end of the name.
type watcher struct {
	t    *testing.T
	fd   int
	root string
	dirs map[int32]string
}

func newWatch(t *testing.T, root string) *watcher {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	w := &watcher{t: t, fd: fd, root: root, dirs: map[int32]string{}}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		id, err := unix.InotifyAddWatch(fd, name, unix.IN_OPEN)
		rel, _ := filepath.Rel(root, name)
		w.dirs[int32(id)] = rel
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.opened() // discard the events that adding the watches caused
	return w
}

// opened returns the files opened since the last call, sorted.
func (w *watcher) opened() []string {
	w.t.Helper()
	found := map[string]bool{}
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(w.fd, buf)
		if err == unix.EAGAIN {
			return slices.Sorted(maps.Keys(found))
		}
		if err != nil {
			w.t.Fatal(err)
		}
		for rest := buf[:n]; len(rest) > 0; {
			id, mask := int32(binary.NativeEndian.Uint32(rest)), binary.NativeEndian.Uint32(rest[4:])
			size := binary.NativeEndian.Uint32(rest[12:])
			name := filepath.Join(w.dirs[id], string(bytes.TrimRight(rest[16:16+size], "\x00")))
			rest = rest[16+size:]
			if mask&unix.IN_Q_OVERFLOW != 0 {
				w.t.Fatal("the event queue of the kernel overflowed")
			}
			if mask&unix.IN_ISDIR != 0 {
				name += "/"
			}
			found[name] = true
		}
	}
}
