//go:build integration

package contained

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNothingLeft checks that a process and a mount that a shell has created disappear when the
// shell exits.
func TestNothingLeft(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	cmd := exec.Command("sh", "-c", `mount -t tmpfs slipway-left "$1" && echo mounted; setsid sleep 987654 & echo $$`, "sh", dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(t.Context(), time.Second); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if got, want := out.String(), "mounted\n1\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Error("the mount still exists")
	}
	if names := processesWith(t, "987654"); len(names) > 0 {
		t.Errorf("still running: %q", names)
	}
}

// TestStop checks that Stop ends a program that ignores SIGTERM.
func TestStop(t *testing.T) {
	p, err := Start(exec.Command("sh", "-c", `trap "" TERM; sleep 987653 & wait; wait`))
	if err != nil {
		t.Fatal(err)
	}
	p.Stop(100 * time.Millisecond)
	if names := processesWith(t, "987653"); len(names) > 0 {
		t.Errorf("still running: %q", names)
	}
}

// processesWith returns the command lines of all processes on this machine that contain the
// given word.
func processesWith(t *testing.T, word string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(line), word) {
			found = append(found, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}
