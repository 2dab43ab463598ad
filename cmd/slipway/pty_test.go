//go:build linux || darwin

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/console"

	"slipway/internal/testcontext"
)

// showCursor ends each redraw of the progress display.
const showCursor = "\x1b[?25h"

// onTerminal runs the command on a terminal of that size, and returns its exit
// code and all that it wrote there.
func onTerminal(t *testing.T, width, height uint16, args ...string) (int, string) {
	t.Helper()
	master, slave, err := console.NewPty()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := master.Resize(console.WinSize{Width: width, Height: height}); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(slave, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		data, _ := io.ReadAll(master) // fails when the other end is closed
		text <- string(data)
	}()
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = tty, tty
	code := run(context.Background(), args)
	os.Stdout, os.Stderr = stdout, stderr
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	return code, strings.ReplaceAll(<-text, "\r\n", "\n")
}

// standInDocker makes docker be a program that takes an image and says so.
func standInDocker(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\n/bin/cat >/dev/null\necho Loaded image: x\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// TestTerminalTexts: what is not progress follows the last redraw of the display,
// which would erase it.
func TestTerminalTexts(t *testing.T) {
	standInDocker(t)
	dir := testcontext.New(t, "FROM scratch\nCOPY base /\nCOPY a /\nRUN cat a > /b\n")
	for _, size := range [][2]uint16{{110, 24}, {80, 24}} {
		code, text := onTerminal(t, size[0], size[1], "build", "--state", t.TempDir(), "--runner", "portable",
			"--explain", "--cache-from", "type=local,src=/does/not/exist", "-t", "x", "--load", dir)
		if code != 0 {
			t.Fatalf("exit code %d:\n%s", code, text)
		}
		end := strings.LastIndex(text, showCursor)
		if end < 0 {
			t.Fatalf("the display was never drawn: %q", text)
		}
		for _, want := range []string{
			"warning: cache /does/not/exist is not used: open /does/not/exist/index.json: no such file or directory\n",
			"[3/3] RUN cat a > /b: this Dockerfile was not built here before\n",
			"Loaded image: x\n",
		} {
			if after := text[end:]; !strings.Contains(after, want) {
				t.Errorf("%dx%d: after the display: %q, want %q", size[0], size[1], after, want)
			}
		}
	}
	code, text := onTerminal(t, 80, 24, "build", "--state", t.TempDir(), "--runner", "portable", dir)
	if code != 0 || strings.Contains(text, "was not built here before") {
		t.Errorf("without --explain: exit code %d: %q", code, text)
	}
	if (&buildFlags{progress: "plain"}).redraws() {
		t.Error("plain progress redraws nothing, and is said to")
	}
}

// TestArchiveToTerminal: an archive is not written to a terminal.
func TestArchiveToTerminal(t *testing.T) {
	code, text := onTerminal(t, 80, 24, "image", "save", "--state", t.TempDir(), "app")
	if code != exitUsage || !strings.Contains(text, "an archive does not go to a terminal") {
		t.Errorf("exit code %d: %q", code, text)
	}
}
