//go:build integration

package buildfaults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fullDockerfile is a Dockerfile whose build fills a disk from four sources: the base image, a
// RUN step, a COPY, and a cache mount.
const fullDockerfile = `FROM base
RUN cat bin/sh bin/sh > /big
COPY files /files
RUN --mount=type=cache,target=/c cat bin/sh > /c/x; cat files/* > /all
`

func newFullSite(t *testing.T) *site {
	s := newSite(t, fullDockerfile)
	for i := range 100 {
		s.write(fmt.Sprintf("files/%d", i), strings.Repeat(fmt.Sprint("file ", i), 1000))
	}
	return s
}

// mountTmpfs mounts a tmpfs of size bytes at dir until the test ends.
func mountTmpfs(t *testing.T, dir string, size int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func resizeTmpfs(t *testing.T, dir string, size int) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
}

// TestFullState checks that a build whose state directory is full fails with a clear error, and
// that its state stays valid. The test tries ten disk sizes, so that a different write fails
// first in each build. With enough space the next build succeeds.
func TestFullState(t *testing.T) {
	s := newFullSite(t)
	want := s.build()
	s.state = filepath.Join(s.dir, "disk", "state")
	mountTmpfs(t, filepath.Dir(s.state), 1<<20)
	sizes := []int{64 << 10, 1 << 20, 4200 << 10, 5 << 20, 7 << 20, 9 << 20, 13 << 20, 18 << 20, 22 << 20, 26 << 20}
	for _, size := range sizes {
		resizeTmpfs(t, filepath.Dir(s.state), size)
		if output := s.buildFails(s.outputs()...); !strings.Contains(output, "no space left on device") {
			t.Errorf("%d bytes: output %s, want no space left on device", size, s.output)
		}
		s.checkDigests()
	}
	resizeTmpfs(t, filepath.Dir(s.state), 200<<20)
	if !bytes.Equal(s.build(), want) {
		t.Error("after freeing space the build creates a different image")
	}
	s.checkDigests()
	s.checkNoTemp()
	// Pruning must succeed even if no byte is free.
	resizeTmpfs(t, filepath.Dir(s.state), 60<<20)
	filler, err := os.Create(filepath.Join(s.dir, "disk", "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = filler.Write(make([]byte, 1<<16))
	}
	filler.Close()
	if out, err := s.start("cache", "prune", "--all", "--force", "--state", s.state).CombinedOutput(); err != nil {
		t.Errorf("prune of a full disk: %v\n%s", err, out)
	}
	if err := os.Remove(filler.Name()); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(s.build(), want) {
		t.Error("after the prune the build creates a different image")
	}
}

// TestFullOutput checks builds whose output is on a full or read-only filesystem. They must
// fail with a clear error, leave the previous output unchanged and leave no partial files.
func TestFullOutput(t *testing.T) {
	s := newFullSite(t)
	small := filepath.Join(s.dir, "small")
	mountTmpfs(t, small, 3<<20)
	old := filepath.Join(small, "image.tar")
	if err := os.WriteFile(old, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"type=oci,dest=" + old, "type=docker,dest=" + old, "type=tar,dest=" + old, filepath.Join(small, "files"), small} {
		if output := s.buildFails("-o", out); !strings.Contains(output, "no space left on device") || !strings.Contains(output, "output ") {
			t.Errorf("%s: output %s", out, output)
		}
		if left := walk(t, small); len(left) != 1 {
			t.Errorf("%s: files %q, want only the previous output", out, left)
		}
		if data, err := os.ReadFile(old); err != nil || string(data) != "old" {
			t.Errorf("%s: the previous output is missing: %v", out, err)
		}
		if list, err := os.ReadDir(small); err != nil || len(list) != 1 {
			t.Errorf("%s: entries %v, error %v, want only the previous output", out, list, err)
		}
	}
	s.checkNoTemp()
	large := filepath.Join(s.dir, "large")
	mountTmpfs(t, large, 64<<20)
	if out, err := s.command("-o", large).CombinedOutput(); err != nil {
		t.Errorf("a mount point as output: %v\n%s", err, out)
	}
	if err := unix.Mount("", large, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"type=oci,dest=" + filepath.Join(large, "image.tar"), large} {
		if output := s.buildFails("-o", out); !strings.Contains(output, "read-only file system") {
			t.Errorf("%s: output %s", out, output)
		}
	}
}

// TestUnusableState checks that a build fails with one clear error if the path of its state
// directory is a file, belongs to another user or is on a read-only filesystem.
func TestUnusableState(t *testing.T) {
	s := newSite(t, "FROM base\nRUN cat /bin/sh > /x\n")
	s.runner = "portable"
	for _, dir := range []string{s.dir, filepath.Dir(s.dir), s.context} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(s.dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.build()
	ofRoot := s.state
	for _, tc := range []struct {
		state, want string
		user        uint32
	}{
		{file, "not a directory", 0},
		{filepath.Join(file, "below"), "not a directory", 0},
		{"/proc/nothing", "no such file or directory", 0},
		{ofRoot, "permission denied", 65534},
		{filepath.Join(s.dir, "new"), "permission denied", 65534},
	} {
		s.state, s.user = tc.state, tc.user
		if output := s.buildFails(); !strings.HasPrefix(output, "state directory: ") || !strings.Contains(output, tc.want) || strings.Count(output, "\n") != 1 {
			t.Errorf("%s as %d: output %s, want %s", tc.state, tc.user, output, tc.want)
		}
	}
	mountTmpfs(t, filepath.Join(s.dir, "ro"), 1<<20)
	if err := unix.Mount("", filepath.Join(s.dir, "ro"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	s.state, s.user = filepath.Join(s.dir, "ro", "state"), 0
	if output := s.buildFails(); !strings.HasPrefix(output, "state directory: ") || !strings.Contains(output, "read-only file system") {
		t.Errorf("read-only: output %s, want state directory: … read-only file system", output)
	}
}

// TestOrdinaryUser checks builds of an unprivileged user whose steps create directories
// without write permission, in cache mounts and in the result. Later builds must be able to
// use these directories, and a prune must be able to remove them.
func TestOrdinaryUser(t *testing.T) {
	for _, runner := range []string{"portable", "auto"} {
		s := newSite(t, "FROM base\nRUN --mount=type=cache,target=/c mkdir -p /d/e /c/f; echo x > /d/e/x; echo y > /c/f/y; chmod 555 /d/e /d /c/f\nARG V\nRUN --mount=type=cache,target=/c cat /c/f/y > /z; echo $V >> /z\n")
		if err := os.Chmod(filepath.Dir(s.dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(s.dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		s.user, s.runner = 65534, runner
		for i := range 3 {
			s.build("--build-arg", fmt.Sprint("V=", i))
		}
		s.checkNoTemp()
		if out, err := s.start("cache", "prune", "--all", "--force", "--state", s.state).CombinedOutput(); err != nil {
			t.Errorf("%s: prune: %v\n%s", runner, err, out)
		}
		for _, dir := range []string{"mounts", "cache", "store", "namespace"} {
			for _, file := range walk(t, filepath.Join(s.state, dir)) {
				t.Errorf("%s: the prune leaves %s", runner, file)
			}
		}
		s.build()
	}
}
