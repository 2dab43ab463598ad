package namespace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/internal/slowtest"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestThreadRoots checks that no path of a step leads out of the container through the
// root of another thread of the init process, /proc/self/task/N/root. It tries the
// first process of a container and a process that joins.
func TestThreadRoots(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
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
				t.Errorf("first process, %s, thread %d: error nil, want one", name, thread)
			}
			x, err := c.Start(attempt(w.lastPID(t, c) + thread))
			if err == nil {
				err = x.Wait()
			}
			if err == nil {
				t.Errorf("joined process, %s, thread %d: error nil, want one", name, thread)
			}
		}
	}
	if list, err := os.ReadDir(host); err != nil || len(list) != 2 {
		t.Errorf("files on the host %v, error %v, want only passwd and probe", list, err)
	}
}

// throughThread returns the path /proc/self/task/THREAD/root/HOST. The parameter thread
// is the thread ID, and host is the path of a directory of the host. The returned path
// leads to that directory only if the thread's root is the host's root.
func throughThread(thread int, host string) string {
	return fmt.Sprintf("/proc/self/task/%d/root%s", thread, host)
}

// threadAttempts returns functions by name. Each function returns a process that tries
// to reach a directory of the host through the root of a thread (see throughThread).
// The argument of the functions is the thread ID. Each function uses the path in a
// different way, for example as the working directory. The process succeeds only if the
// path leads to the host.
func (w *fixture) threadAttempts(host string) map[string]func(thread int) *runner.Process {
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

// lastPID returns the PID that the kernel assigned last in a container.
func (w *fixture) lastPID(t *testing.T, c runner.Container) (pid int) {
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

// TestContainerDirectory checks that a missing working directory is created for the
// first process of a container, and is an error for a process that joins.
//
// Upstream: same as runc.
func TestContainerDirectory(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
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
		t.Error("joined process with a missing working directory: error nil, want one")
	}
	if err := start(t, c, w.process("cd /first/d && ! cd /joined")).Wait(); err != nil {
		t.Errorf("check of /first/d and /joined: error %v, want that only the former exists", err)
	}
}
