package lsp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"slipway/lint"
	"slipway/lint/shellcheck"
	"slipway/source"
)

// fakeShellCheck is a program that comments on the sixth column of each script, logs its starts, and
// hangs while a file exists.
type fakeShellCheck struct {
	options Options
	hang    string       // the file
	log     string       // has a line for each start
	warned  *atomic.Bool // whether the checker has reported a failure, such as a timeout
}

func newFakeShellCheck(t *testing.T) fakeShellCheck {
	t.Helper()
	dir := t.TempDir()
	f := fakeShellCheck{hang: filepath.Join(dir, "hang"), log: filepath.Join(dir, "log"), warned: &atomic.Bool{}}
	program := filepath.Join(dir, "shellcheck")
	text := fmt.Sprintf(`#!/bin/sh
for last; do :; done
echo start >> %q
[ -e %q ] && exec sleep 600
printf '{"comments":[{"file":"%%s","line":2,"endLine":2,"column":6,"endColumn":8,"level":"info","code":2086,"message":"quote it"}]}' "$last"
exit 1
`, f.log, f.hang)
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	checker, err := shellcheck.Open(program, func(text string) { f.warned.Store(true); t.Error(text) })
	if err != nil {
		t.Fatal(err)
	}
	l := lint.New(nil, lint.Settings{})
	f.options.Checks = func(string, *source.File) (Checks, error) {
		return Checks{Linter: l, Options: lint.Options{ShellCheck: checker}}, nil
	}
	return f
}

// starts returns how often the program has been started.
func (f fakeShellCheck) starts(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(f.log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "start")
}

const (
	scriptText = "FROM alpine:3.20\nRUN echo $V\n"
	quoteIt    = `"severity":3,"code":"SC2086","codeDescription":{"href":"https://www.shellcheck.net/wiki/SC2086"},"source":"shellcheck","message":"quote it"`
)

// TestShellCheckComments checks that comments follow the other diagnostics, and that those about
// unchanged scripts are sent at once, at their new places.
func TestShellCheckComments(t *testing.T) {
	f := newFakeShellCheck(t)
	c := start(t, f.options)
	c.initialize("{}")
	c.open(scriptText)
	if got := c.receive(); !strings.Contains(got, `"version":1,"diagnostics":[]`) {
		t.Errorf("first: %s", got)
	}
	if got := c.receive(); !strings.Contains(got, `"start":{"line":1,"character":9}`) || !strings.Contains(got, quoteIt) {
		t.Errorf("second: %s, want %s", got, quoteIt)
	}
	c.edit(2, 0)
	if got := c.receive(); !strings.Contains(got, `"start":{"line":2,"character":9}`) || !strings.Contains(got, quoteIt) {
		t.Errorf("after an edit above: %s", got)
	}
	c.end()
	if n := f.starts(t); n != 1 {
		t.Errorf("%d processes, want 1", n)
	}
}

// TestShellCheckCancelled checks that a process ends when the document changes, and when it is
// closed.
func TestShellCheckCancelled(t *testing.T) {
	f := newFakeShellCheck(t)
	if err := os.WriteFile(f.hang, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, f.options)
	c.initialize("{}")
	c.open(scriptText)
	c.receive()
	await := func(n int) {
		t.Helper()
		for f.starts(t) < n {
			time.Sleep(10 * time.Millisecond)
		}
	}
	await(1)
	c.edit(2, 0)
	c.receive()
	await(2)
	if err := os.Remove(f.hang); err != nil {
		t.Fatal(err)
	}
	c.edit(3, 0)
	c.receive()
	if got := c.receive(); !strings.Contains(got, `"version":3`) || !strings.Contains(got, quoteIt) {
		t.Errorf("after two edits: %s", got)
	}
	if err := os.WriteFile(f.hang, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.notify("textDocument/didChange", `{"textDocument":{"uri":"file:///d/Dockerfile","version":4},"contentChanges":[{"text":"FROM a:1\nRUN echo other\n"}]}`)
	c.receive()
	await(4)
	// The scripts of another document wait for the process.
	c.notify("textDocument/didOpen", `{"textDocument":{"uri":"file:///e/Dockerfile","version":1,"text":"FROM a:1\nRUN waits\n"}}`)
	c.receive()
	time.Sleep(2 * (scriptTime - restTime))
	c.end()
	if f.warned.Load() {
		t.Error("a process was not cancelled")
	}
}

// TestShellCheckPull checks clients that ask for diagnostics: with the ability to ask again, the
// first answer has no comments, and the server asks for the second. Otherwise the first has them.
func TestShellCheckPull(t *testing.T) {
	c := start(t, newFakeShellCheck(t).options)
	c.initialize(`{"workspace":{"diagnostics":{"refreshSupport":true}},"textDocument":{"diagnostic":{}}}`)
	c.open(scriptText)
	if got := c.call("textDocument/diagnostic", documentURI); strings.Contains(got, "SC2086") {
		t.Errorf("at once: %s", got)
	}
	if got := c.receive(); !strings.Contains(got, `"method":"workspace/diagnostic/refresh"`) {
		t.Errorf("%s, want a request to ask again", got)
	}
	if got := c.call("textDocument/diagnostic", documentURI); !strings.Contains(got, quoteIt) {
		t.Errorf("again: %s, want %s", got, quoteIt)
	}
	c.end()

	c = start(t, newFakeShellCheck(t).options)
	c.initialize(`{"textDocument":{"diagnostic":{}}}`)
	c.open(scriptText)
	if got := c.call("textDocument/diagnostic", documentURI); !strings.Contains(got, quoteIt) {
		t.Errorf("without the ability: %s, want %s", got, quoteIt)
	}
	c.end()
}
