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

// showCursor is the escape sequence at the end of each redraw of the progress display.
const showCursor = "\x1b[?25h"

// onTerminal runs slipway on a terminal of the given size, and returns its exit code and its
// output.
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

// standInDocker installs a script as the program docker. The script reads an image from
// standard input and prints a message.
func standInDocker(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\n/bin/cat >/dev/null\necho Loaded image: x\n"
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// TestTerminalTexts checks that warnings and other texts are printed after the last redraw
// of the progress display. A redraw would erase texts that are printed before it.
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
		t.Error("redraws reports true for plain progress")
	}
}

// TestArchiveToTerminal checks that slipway does not write an archive to a terminal.
func TestArchiveToTerminal(t *testing.T) {
	code, text := onTerminal(t, 80, 24, "image", "save", "--state", t.TempDir(), "app")
	if code != exitUsage || !strings.Contains(text, "an archive does not go to a terminal") {
		t.Errorf("exit code %d: %q", code, text)
	}
}

// TestControlCharacters checks that no text from a build can control the terminal. The
// output of steps keeps its colors.
func TestControlCharacters(t *testing.T) {
	const title, clear = "\x1b]0;title\a", "\x1b[2J"
	dir := testcontext.New(t, "FROM scratch AS base\nCOPY base /\nCOPY a /\n"+
		"# good: "+title+"\u009b\nFROM base AS good\nRUN cat a # "+title+"\u009b2J\r\n"+
		"FROM base AS bad\nRUN cat a /missing # "+title+"\n"+
		"FROM base AS gone\nARG name="+title+"\nCOPY \"x$name\" /\n")
	printed := title + clear + "\u009b2J\x1b[31mred\x1b[0m!\r\x1b[K\x1b[32mgreen\n"
	testcontext.Write(t, dir, map[string]string{"a": printed})
	command := func(target, mode string) []string {
		return []string{"build", "--state", t.TempDir(), "--runner", "portable", "--progress", mode, "--target", target, dir}
	}
	for _, tc := range []struct {
		target, mode string
		code         int
		want         []string
	}{
		{"good", "plain", 0, []string{"RUN cat a # ␛]0;title␇", "\uFFFD2J\x1b[31mred\x1b[0m!\r\x1b[K\x1b[32mgreen\x1b[0m\n"}},
		{"good", "tty", 0, []string{"RUN cat a # ␛]0;title␇"}},
		{"bad", "plain", 1, []string{"RUN cat a /missing # ␛]0;title␇", "\x1b[31mred\x1b[0m!"}},
		{"bad", "tty", 1, []string{"RUN cat a /missing # ␛]0;title␇", "\x1b[31mred\x1b[0m!"}},
		{"bad", "quiet", 1, []string{"RUN cat a /missing # ␛]0;title␇", "␛[31mred␛[0m!"}},
		{"gone", "plain", 1, []string{"x␛]0;title␇"}},
		{"gone", "tty", 1, []string{"x␛]0;title␇"}},
	} {
		code, text := onTerminal(t, 110, 24, command(tc.target, tc.mode)...)
		if code != tc.code {
			t.Errorf("%s, %s: exit code %d, want %d", tc.target, tc.mode, code, tc.code)
		}
		for _, want := range tc.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s, %s: %q, want %q", tc.target, tc.mode, text, want)
			}
		}
		for _, bad := range []string{"\x1b]", clear, "\u009b", "\a"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s, %s: %q reaches the terminal: %q", tc.target, tc.mode, bad, text)
			}
		}
	}
	_, told := slipway(t, command("good", "plain")...)
	for _, want := range []string{"RUN cat a # ␛]0;title␇", strings.TrimSuffix(printed, "\n")} {
		if !strings.Contains(told, want) {
			t.Errorf("in a pipe: %q, want %q", told, want)
		}
	}
	for _, args := range [][]string{
		{"build", "--state", t.TempDir(), "--call=outline,format=json", dir},
		{"build", "--state", t.TempDir(), "--call=targets", dir},
		{"build", "--no" + title, dir},
	} {
		if _, text := onTerminal(t, 110, 24, args...); strings.Contains(text, "\x1b]") || strings.Contains(text, "\u009b") || strings.TrimSpace(text) == "" {
			t.Errorf("%q: %q reaches the terminal", args, text)
		}
	}
}

// TestClippedOutput checks that slipway clips the long output of a step, and shows the end
// of the output if the step fails.
func TestClippedOutput(t *testing.T) {
	t.Setenv("BUILDKIT_STEP_LOG_MAX_SIZE", "1024")
	dir := testcontext.New(t, "FROM scratch\nCOPY base /\nCOPY a /\nRUN cat a\nRUN cat a /missing\n")
	testcontext.Write(t, dir, map[string]string{"a": strings.Repeat("0123456789abcdef\n", 1000) + "last line\n"})
	code, told := slipway(t, "build", "--state", t.TempDir(), "--runner", "portable", "--progress", "plain", dir)
	done, failed, _ := strings.Cut(told, " DONE")
	if n := strings.Count(told, "[output clipped, log limit 1KiB reached]\n"); code != exitFailed || n != 2 {
		t.Errorf("exit code %d, clipped %d times, want 2", code, n)
	}
	if strings.Contains(done, "last line") || !strings.Contains(failed, "last line") {
		t.Error("the end is shown for the step that succeeds, or not for the one that fails")
	}
	if !strings.Contains(told[strings.LastIndex(told, "------\n > [4/4] "):], "last line\n") {
		t.Error("the report of the failed step lacks the last line")
	}
}
