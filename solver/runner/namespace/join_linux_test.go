package namespace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestThreadRoots checks that paths through the threads of an init process do not lead
// out of a container, for the first process and for a process that joins.
func TestThreadRoots(t *testing.T) {
	w := newWorld(t)
	w.probe(t, nil)
	host := t.TempDir()
	e := tree.Edit(w.root)
	err := errors.Join(
		copyFile("/proc/self/exe", filepath.Join(host, "probe")),
		os.WriteFile(filepath.Join(host, "passwd"), []byte("host:x:0:0::/:/bin/sh\n"), 0o644),
		e.Put("etc/passwd", tree.NewSymlink(tree.Meta{Mode: 0o777}, throughThread(2, host)+"/passwd")),
	)
	if err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	first := w.process("while :; do read line; done")
	stdin, end := io.Pipe()
	defer end.Close()
	first.Stdin = stdin
	c := w.open(t, &first.Sandbox)
	start(t, c, first)
	for name, attempt := range w.threadAttempts(host) {
		for thread := 2; thread <= 5; thread++ {
			_, err := w.Run(t.Context(), attempt(thread))
			if err == nil {
				t.Errorf("first process, %s, thread %d: it ran", name, thread)
			}
			x, err := c.Start(attempt(w.lastPID(t, c) + thread))
			if err == nil {
				err = x.Wait()
			}
			if err == nil {
				t.Errorf("joined process, %s, thread %d: it ran", name, thread)
			}
		}
	}
	if list, err := os.ReadDir(host); err != nil || len(list) != 2 {
		t.Errorf("the directory of the host has %v, %v; want only passwd and probe", list, err)
	}
}

// throughThread returns a path to a directory of the host through the root of a thread.
func throughThread(thread int, host string) string {
	return fmt.Sprintf("/proc/self/task/%d/root%s", thread, host)
}

// threadAttempts returns processes that try to reach a directory of the host, and a
// program in it, through the root of a thread. They fail.
func (w *world) threadAttempts(host string) map[string]func(thread int) *runner.Process {
	return map[string]func(int) *runner.Process{
		"working directory": func(thread int) *runner.Process {
			p := w.process("exit 1")
			p.Dir = throughThread(thread, host) + "/made"
			return p
		},
		"program": func(thread int) *runner.Process {
			p := w.process("")
			p.Args = []string{throughThread(thread, host) + "/probe", "user"}
			return p
		},
		"program in PATH": func(thread int) *runner.Process {
			p := w.process("")
			p.Args, p.Env = []string{"probe", "user"}, []string{"PATH=" + throughThread(thread, host)}
			return p
		},
		"user": func(int) *runner.Process {
			p := w.process(":")
			p.User = "host"
			return p
		},
	}
}

// lastPID returns the last PID assigned in a container.
func (w *world) lastPID(t *testing.T, c runner.Container) (pid int) {
	t.Helper()
	var out strings.Builder
	p := w.process("read a b c d pid < /proc/loadavg; echo $pid")
	p.Stdout = &out
	if err := start(t, c, p).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(out.String(), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestContainerDirectory checks that a missing working directory is created for the first
// process, and is an error for a process that joins.
//
// Upstream: same as runc.
func TestContainerDirectory(t *testing.T) {
	w := newWorld(t)
	first := w.process(endlessScript)
	first.Dir = "/first/d"
	c := w.open(t, &first.Sandbox)
	start(t, c, first)
	p := w.process("exit 0")
	p.Dir = "/joined/d"
	x, err := c.Start(p)
	if err == nil {
		err = x.Wait()
	}
	if err == nil {
		t.Error("a process that joins runs in a directory that did not exist")
	}
	if err := start(t, c, w.process("cd /first/d && ! cd /joined")).Wait(); err != nil {
		t.Errorf("directories that were made: %v", err)
	}
}
