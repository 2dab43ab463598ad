//go:build unix

package remote

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"slipway/builder/state"
	"slipway/solver/export"
)

// TestPendingOutput checks that an output is moved to its destination after the build has
// succeeded, and that an output to an existing pipe is written directly to the pipe.
func TestPendingOutput(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	read := readPipe(t, filepath.Join(dir, "pipe"))
	if err := os.Symlink("pipe", filepath.Join(dir, "piped")); err != nil {
		t.Fatal(err)
	}
	for dest, want := range map[string]string{"link": "real", "file": "file", "piped": ""} {
		s, err := newPendingOutput(Output{Type: "tar", Dest: filepath.Join(dir, dest)}, export.Outputs{Records: filepath.Join(t.TempDir(), "notes")})
		if err != nil {
			t.Fatal(err)
		}
		w, err := s.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, dest); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			if _, err := os.Stat(filepath.Join(dir, want)); err == nil {
				t.Errorf("%s: exists before the build has succeeded", dest)
			}
		}
		b := &Build{pending: []*pendingOutput{s}}
		if err := b.moveOutputs(io.Discard); err != nil {
			t.Fatal(err)
		}
		b.discard()
		if want == "" {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(dir, want)); err != nil || string(data) != dest {
			t.Errorf("%s: %q, %v", dest, data, err)
		}
	}
	if info, err := os.Lstat(filepath.Join(dir, "pipe")); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe became %v, %v", info, err)
	} else if got := <-read; got != "piped" {
		t.Errorf("the pipe got %q", got)
	}
	for link, want := range map[string]string{"link": "real", "piped": "pipe"} {
		if got, err := os.Readlink(filepath.Join(dir, link)); got != want || err != nil {
			t.Errorf("%s leads to %q, %v, want %q", link, got, err, want)
		}
	}
	if list, err := filepath.Glob(filepath.Join(dir, ".slipway-*")); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// readPipe creates a named pipe, and returns a channel with the text that is written to it.
func readPipe(t *testing.T, name string) <-chan string {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		data, _ := os.ReadFile(name)
		read <- string(data)
	}()
	return read
}

// TestKilledOnBuilder checks that a build by a daemon removes the temporary outputs of killed
// builds, but not the outputs of a concurrent build.
func TestKilledOnBuilder(t *testing.T) {
	at := t.TempDir()
	dir := t.TempDir()
	hold := func() (export.Outputs, func()) {
		t.Helper()
		outputs, release, err := state.HoldOutputs(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return outputs, release
	}
	left := func() int {
		t.Helper()
		list, err := filepath.Glob(filepath.Join(dir, "*", ".slipway-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	outputs, killed := hold()
	for _, out := range []Output{{Type: "local", IsDir: true, Dest: filepath.Join(dir, "files")}, {Type: "oci", Dest: filepath.Join(dir, "images", "x.tar")}} {
		if _, err := newPendingOutput(out, outputs); err != nil {
			t.Fatal(err)
		}
	}
	_, release := hold()
	if n := left(); n != 2 {
		t.Errorf("during a build of two outputs: %d incomplete outputs, want 2", n)
	}
	release()
	killed() // the kernel releases the locks of a killed process, too
	_, release = hold()
	defer release()
	if n := left(); n != 0 {
		t.Errorf("%d outputs of a killed build still exist", n)
	}
	if _, _, err := state.HoldOutputs(t.Context(), ""); err != nil {
		t.Errorf("without a state directory: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := state.HoldOutputs(ctx, at); err == nil {
		t.Error("hold outputs for a canceled build: no error")
	}
}
