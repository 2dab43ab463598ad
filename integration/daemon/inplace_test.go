//go:build integration

package daemon

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"golang.org/x/sys/unix"

	"slipway/builder"
	"slipway/builder/remote"
	"slipway/integration/rig"
)

// TestBuilderInPlace checks that a build writes an output to an existing device or named pipe
// instead of replacing it.
func TestBuilderInPlace(t *testing.T) {
	dir := t.TempDir()
	null, pipe := filepath.Join(dir, "null"), filepath.Join(dir, "pipe")
	if err := unix.Mknod(null, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		data, err := os.ReadFile(pipe)
		if err != nil {
			t.Error(err)
		}
		read <- string(data)
	}()
	o := builder.Options{
		Context: "-", Stdin: strings.NewReader("FROM scratch\nCOPY <<EOF /told\nx\nEOF\n"), Builder: &remote.Builder{Address: shared.Socket},
		Outputs: []builder.Output{{Type: "oci", Dest: null}, {Type: "tar", Dest: pipe}}, Now: time.Now,
	}
	if err := builder.Run(t.Context(), o); err != nil {
		t.Fatal(errorText(err))
	}
	if got := <-read; !strings.Contains(got, "told") {
		t.Errorf("the pipe got %d bytes", len(got))
	}
	if info, err := os.Lstat(null); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("the device became %v, %v", info, err)
	}
}

// TestBuilderSyntax checks that a daemon runs the frontend image of a # syntax line, unless
// slipway itself contains that frontend.
func TestBuilderSyntax(t *testing.T) {
	for ref, followed := range map[string]bool{rig.Upstream: true, rig.Ours: false, "docker/dockerfile:1": false} {
		out := t.TempDir()
		ran := false
		o := builder.Options{
			Context: "-", Stdin: strings.NewReader("# syntax=" + ref + "\nFROM scratch\nCOPY <<EOF /told\nx\nEOF\n"), Builder: &remote.Builder{Address: shared.Socket},
			Outputs: []builder.Output{{Type: "local", Dest: out}}, Now: time.Now,
			Status: func(s *client.SolveStatus) {
				for _, v := range s.Vertexes {
					ran = ran || strings.Contains(v.Name, ref)
				}
			},
		}
		if err := builder.Run(t.Context(), o); err != nil {
			t.Errorf("%s: %s", ref, errorText(err))
			continue
		}
		wantText(t, filepath.Join(out, "told"), "x\n")
		if ran != followed {
			t.Errorf("%s: the frontend ran on the builder: %v, want %v", ref, ran, followed)
		}
	}
}

// TestBuilderKilled checks that a build with a daemon removes the temporary files that an
// earlier, killed build left.
func TestBuilderKilled(t *testing.T) {
	program, dir := buildSlipway(t), t.TempDir()
	command := func(step string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, "build", "--builder", shared.Socket, "--progress=plain", "-o", "files", "-o", "type=oci,dest=image.tar", "-")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
		cmd.Stdin = strings.NewReader("FROM busybox\nRUN echo star\"\"ted; " + step + "\n")
		return cmd
	}
	left := func() int {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, ".slipway-*"))
		inDir, dirErr := filepath.Glob(filepath.Join(dir, "files", ".slipway-*"))
		if err != nil || dirErr != nil {
			t.Fatal(err, dirErr)
		}
		return len(found) + len(inDir)
	}
	cmd := command("sleep 60; : " + t.Name())
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), " started") {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	if n := left(); n != 2 {
		t.Errorf("the killed build leaves %d partial outputs, want 2", n)
	}
	if out, err := command("true").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := left(); n != 0 {
		t.Errorf("the next build leaves %d outputs of the killed one", n)
	}
}
