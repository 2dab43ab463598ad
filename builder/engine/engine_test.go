//go:build unix

package engine_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/builder/engine"
)

// TestLoad uses a fake docker program to check a docker load that succeeds, a docker
// load that fails, and a docker load that is abandoned.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := engine.StartLoad(t.Context()); err == nil || !strings.Contains(err.Error(), "needs the program docker") {
		t.Errorf("without docker: %v", err)
	}
	start := func(script string) *engine.Load {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := engine.StartLoad(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := start("[ \"$*\" = load ] || exit 9\nread line\necho Loaded image: $line\n")
	if _, err := io.WriteString(l.Input(), "x\n"); err != nil {
		t.Fatal(err)
	}
	if said, err := l.Finish(); err != nil || said != "Loaded image: x" {
		t.Errorf("loaded: %q, %v", said, err)
	}
	if _, err := start("echo no engine >&2; exit 1\n").Finish(); err == nil || err.Error() != "docker load: exit status 1: no engine" {
		t.Errorf("an engine that fails: %v", err)
	}
	l = start("echo no engine >&2; exit 1\n")
	if _, err := l.Input().Write(make([]byte, 1<<20)); err == nil || !l.Broken() {
		t.Errorf("written to an engine that has ended: error %v, broken %v", err, l.Broken())
	}
	if _, err := l.Finish(); err == nil || !strings.HasSuffix(err.Error(), "no engine") {
		t.Errorf("an engine that ended early: %v", err)
	}
	loaded := filepath.Join(dir, "loaded")
	start("read line && echo $line > " + loaded + "\n").Abandon()
	if _, err := os.Stat(loaded); err == nil {
		t.Error("an abandoned load was completed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.StartLoad(ctx); err == nil {
		t.Error("a load starts after the build was canceled")
	}
}
