package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/testcontext"
)

// TestDeviceStays checks that --iidfile, --metadata-file and --output write to a device
// and never replace it with a file.
func TestDeviceStays(t *testing.T) {
	device := filepath.Join(t.TempDir(), "full")
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 7))); err != nil && !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	} else if err != nil {
		device = "/dev/full" // which an ordinary user cannot replace
	}
	dir, state := testcontext.New(t, "FROM scratch\nCOPY a /\n"), t.TempDir()
	for _, flag := range []string{"--iidfile", "--metadata-file", "--output=type=oci,dest"} {
		code, told := slipway(t, "build", "--state", state, "--runner", "portable", "--progress", "quiet", flag+"="+device, dir)
		refused := strings.Contains(told, "no space left on device") || strings.Contains(told, "permission denied") // on a nodev mount
		if code != exitFailed || !refused {
			t.Errorf("%s: exit code %d, told %q, want the error of the device", flag, code, told)
		}
		if info, err := os.Lstat(device); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
			t.Errorf("%s: the device has become %v, %v", flag, info.Mode(), err)
		}
	}
}
