package namespace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/runner"
)

// open opens a container, which is closed when the test ends.
func (w *fixture) open(t *testing.T, s *runner.Sandbox) runner.Container {
	t.Helper()
	c, err := w.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// start starts a process in a container. If that fails, the test ends.
func start(t *testing.T, c runner.Container, p *runner.Process) runner.Running {
	t.Helper()
	x, err := c.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestContainer checks that the processes of a container share files, PIDs, host name
// and network, and that all processes are killed when the first one ends.
func TestContainer(t *testing.T) {
	w := newFixture(t)
	p := w.process("read line; exit 3")
	p.Hostname, p.Network = "here", runner.NetworkNone
	in, end := io.Pipe()
	p.Stdin = in
	c := w.open(t, &p.Sandbox)
	first := start(t, c, p)

	var out bytes.Buffer
	second := w.process("echo $$ > /f; read a < /proc/sys/kernel/hostname; read b < /proc/1/comm; echo $a $b; for d in /sys/class/net/*; do echo $d; done; while read k v; do [ $k = NoNewPrivs: ] && echo $k $v; done < /proc/self/status; :")
	second.Stdout, second.Stderr = &out, &out
	if err := start(t, c, second).Wait(); err != nil {
		t.Fatal(err, out.String())
	}
	if got, want := out.String(), "here sh\n/sys/class/net/lo\nNoNewPrivs: 0\n"; got != want {
		t.Errorf("second process: output %q, want %q", got, want)
	}
	if n, err := c.Tree(0); err != nil || testtree.Must(n.Get("f")) == nil || testtree.Must(n.Get("etc/hosts")) != nil {
		t.Errorf("root: error %v, want the file of the second process and no /etc/hosts", err)
	}
	third := w.process("exit 7")
	var exit *runner.ExitError
	if err := start(t, c, third).Wait(); !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("third process: error %v, want exit code 7", err)
	}
	fourth := start(t, c, w.process("while :; do :; done"))
	if err := fourth.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := fourth.Wait(); !errors.As(err, &exit) || exit.Code != 128+int(syscall.SIGTERM) {
		t.Errorf("fourth process: error %v, want the exit code for SIGTERM", err)
	}
	fifth := start(t, c, w.process("while :; do :; done"))
	end.Close() // the first process ends with its input
	if err := first.Wait(); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("first process: error %v, want exit code 3", err)
	}
	if err := fifth.Wait(); !errors.As(err, &exit) || exit.Code != 128+int(syscall.SIGKILL) {
		t.Errorf("fifth process: error %v, want the exit code for SIGKILL", err)
	}
	if _, err := c.Start(w.process(":")); err == nil || !strings.Contains(err.Error(), "first process of the container has ended") {
		t.Errorf("start after the end of the first process: error %v, want one that says so", err)
	}
}

// TestContainerClose checks that Close kills the processes of a container, removes its
// files, and does not wait for reads from Stdin, which may never return.
func TestContainerClose(t *testing.T) {
	w := newFixture(t)
	p := w.process("read line")
	in, _ := io.Pipe()
	p.Stdin = in
	c := w.open(t, &p.Sandbox)
	first := start(t, c, p)
	second := start(t, c, w.process("while :; do :; done"))
	begin := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for _, x := range []runner.Running{first, second} {
		if err := x.Wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("process of a closed container: error %v, want %v", err, context.Canceled)
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Close took %s, want less than 5 s", took)
	}
	left, err := os.ReadDir(filepath.Join(w.dir, "run"))
	if err != nil || len(left) > 0 {
		t.Errorf("%d directories remain, error %v, want none", len(left), err)
	}
}

// TestTerminal checks that the first process and a later process of a container can run
// on a terminal that can be resized, and that typing ^C sends SIGINT.
func TestTerminal(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	keep := w.process("read line")
	in, end := io.Pipe()
	keep.Stdin = in
	defer end.Close()
	c := w.open(t, &keep.Sandbox)
	start(t, c, keep)
	for name, open := range map[string]runner.Container{"first": nil, "later": c} {
		p := w.process(`trap "exit 5" INT; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo ready; while :; do read line; echo "got $line"; done`)
		if open == nil {
			open = w.open(t, &p.Sandbox)
		}
		keys, typed := io.Pipe()
		shown, screen := io.Pipe()
		p.Terminal, p.Stdin, p.Stdout = true, keys, screen
		x := start(t, open, p)
		await := func(want string) {
			t.Helper()
			var seen strings.Builder
			buf := make([]byte, 64)
			for !strings.Contains(seen.String(), want) {
				n, err := shown.Read(buf)
				if err != nil {
					t.Fatalf("%s process: output %q, error %v, want %q", name, seen.String(), err, want)
				}
				seen.Write(buf[:n])
			}
		}
		await("ready")
		if err := x.Resize(30, 90); err != nil {
			t.Error(err)
		}
		if _, err := io.WriteString(typed, "hello\r"); err != nil {
			t.Fatal(err)
		}
		await("got hello")
		// A new line ends a read that begins just after the signal: ash does not check
		// for signals before it reads. The output of the trap may be lost, because the
		// kernel discards output after an interrupt.
		go func() { _, _ = io.Copy(io.Discard, shown) }()
		if _, err := io.WriteString(typed, "\x03\r"); err != nil {
			t.Fatal(err)
		}
		var exit *runner.ExitError
		if err := x.Wait(); !errors.As(err, &exit) || exit.Code != 5 {
			t.Errorf("%s process: error %v, want exit code 5", name, err)
		}
		typed.Close()
		screen.Close()
	}
}

// TestTerminalGroup checks that the terminal of a process belongs to the user of the
// process and, if that group exists, to the group tty.
func TestTerminalGroup(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	users, group := map[string]string{"": "0", "me": "12"}, "5"
	if hasOneUser() {
		users, group = map[string]string{"": "0"}, "0"
	}
	for user, uid := range users {
		got := w.probe(t, func(p *runner.Process) { p.User, p.Terminal = user, true }, "stat:/proc/self/fd/0")
		if want := "620 " + uid + ":" + group; got["stat:/proc/self/fd/0"] != want {
			t.Errorf("user %q: mode and owner of the terminal %s, want %s", user, got["stat:/proc/self/fd/0"], want)
		}
	}
}

// forbiddenReader is an [io.Reader] that fails the test if it is read.
type forbiddenReader struct{ t *testing.T }

func (u forbiddenReader) Read([]byte) (int, error) {
	u.t.Error("the input of a process that did not start is read, want no read")
	return 0, io.EOF
}

// TestStartFails checks that starting a process whose program does not exist, with or
// without a terminal, leaks no files and does not read its input.
func TestStartFails(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	keep := w.process("read line")
	in, end := io.Pipe()
	keep.Stdin = in
	defer end.Close()
	c := w.open(t, &keep.Sandbox)
	start(t, c, keep)
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := open()
	for _, terminal := range []bool{false, true} {
		p := w.process("")
		p.Args, p.Terminal, p.Stdin = []string{"/no/such/program"}, terminal, forbiddenReader{t}
		x, err := c.Start(p)
		if err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("missing program: error %v, want that it does not exist", err)
		}
		if x != nil {
			t.Errorf("missing program: process %T, want nil", x)
		}
		if n := open(); n != before {
			t.Errorf("terminal %v: %d open files, want %d", terminal, n, before)
		}
	}
	if c, err := w.Open(t.Context(), &runner.Sandbox{}); err == nil || c != nil {
		t.Errorf("sandbox without a root: container %T, error %v, want nil and an error", c, err)
	}
}
