package namespace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// atTerminal marks a run of the tests with a controlling terminal.
const atTerminal = "SLIPWAY_TEST_AT_TERMINAL"

// callersKey is a key in the session keyring of the builder.
const callersKey = "slipway-test"

// TestSession checks that a step has its own session. It reaches neither the builder's
// terminal nor its process group nor its session keyring. This holds for the first
// process of a container and for later ones.
func TestSession(t *testing.T) {
	if os.Getenv(atTerminal) == "" {
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		again(t, master)
		return
	}
	if got := answer("write:/dev/tty"); got != "OK" {
		t.Fatalf("the test itself has no terminal: %v", got)
	}
	if got := answer("key:" + callersKey); got != "OK" {
		t.Fatalf("the test itself does not find its key: %v", got)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	w := newWorld(t)
	want := map[string]string{"write:/dev/tty": "no such device or address", "signal-group": "OK"}
	check := func(kind string, got map[string]string) {
		t.Helper()
		for question, answer := range want {
			if got[question] != answer {
				t.Errorf("%s process: %s is %q, want %q", kind, question, got[question], answer)
			}
		}
	}
	check("first", w.probe(t, nil, "write:/dev/tty", "signal-group"))
	check("joined", w.probeJoined(t, nil, "write:/dev/tty", "signal-group"))
	// A process with a filter cannot search keys.
	insecure := func(p *runner.Process) { p.Insecure = true }
	want = map[string]string{"key:" + callersKey: "ENOKEY"}
	check("insecure", w.probe(t, insecure, "key:"+callersKey))
	if !byRuntime() { // a process that joins has the filter of the container
		check("insecure joined", w.probeJoined(t, insecure, "key:"+callersKey))
	}
	// Signals are received in numerical order.
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if got := <-signals; got != syscall.SIGUSR2 {
		t.Errorf("a step sent %v to the program that started it", got)
	}
}

// again runs the test again at a terminal, with a key in its session keyring.
func again(t *testing.T, master *os.File) {
	t.Helper()
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	runtime.LockOSThread() // the keyring belongs to a thread, which ends with the test
	_, err = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	if err == nil {
		_, err = unix.AddKey("user", callersKey, []byte("ticket"), unix.KEY_SPEC_SESSION_KEYRING)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env, cmd.Stdin = append(os.Environ(), atTerminal+"=1"), slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// probeJoined is like probe, for a process that joins a container.
func (w *world) probeJoined(t *testing.T, change func(*runner.Process), questions ...string) map[string]string {
	t.Helper()
	w.probe(t, nil) // installs the program
	first := w.process("while :; do read line; done")
	stdin, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	defer stdin.Close()
	first.Stdin = stdin
	c := w.open(t, &first.Sandbox)
	start(t, c, first)
	var out strings.Builder
	p := w.process("")
	p.Args, p.Stdout, p.Stderr = append([]string{"/bin/probe"}, questions...), &out, &out
	if change != nil {
		change(p)
	}
	if err := start(t, c, p).Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return answers(out.String())
}

// TestLeakedDirectory checks that a directory that the builder inherited is not a way
// out of a container (CVE-2024-21626).
func TestLeakedDirectory(t *testing.T) {
	host := t.TempDir()
	leaked, err := unix.Open(host, unix.O_DIRECTORY|unix.O_RDONLY, 0) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	w := newWorld(t)
	first := w.process("while :; do :; done")
	c := w.open(t, &first.Sandbox)
	start(t, c, first)
	for _, dir := range []string{
		fmt.Sprintf("/proc/self/fd/%d", leaked), fmt.Sprintf("/proc/self/fd/%d/made", leaked),
		fmt.Sprintf("/proc/1/fd/%d", leaked), fmt.Sprintf("/proc/thread-self/fd/%d/../made", leaked),
	} {
		p := w.process("echo escaped > file")
		p.Dir = dir
		_, err := w.Run(t.Context(), p)
		joined := errors.New("")
		if x, err := c.Start(p); err == nil {
			joined = x.Wait()
		}
		if err == nil || joined == nil {
			t.Errorf("working directory %s: %v, and of a joined process: %v; want errors", dir, err, joined)
		}
	}
	if list, err := os.ReadDir(host); err != nil || len(list) > 0 {
		t.Errorf("steps made %v in a directory of the host, %v", list, err)
	}
}

// TestOutsideRoot checks that a working directory outside the root is an error.
func TestOutsideRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	c := &config{DirName: "/somewhere"}
	var before, after error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the goroutine
		before = unix.Unshare(unix.CLONE_FS)
		before = errors.Join(before, unix.Chdir(outside), c.insideRoot(), unix.Chroot(root))
		after = c.insideRoot()
	}()
	<-done
	if before != nil {
		t.Error(before)
	}
	if want := "/somewhere is outside of the root file system"; after == nil || after.Error() != want {
		t.Errorf("outside of the root: %v, want %s", after, want)
	}
}

// TestMadeOutside checks that no directory is created outside the root, even if a path
// leads there.
func TestMadeOutside(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	open, err := os.Open(outside)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	proc := filepath.Join(root, "proc")
	if err := os.Mkdir(proc, 0o755); err != nil {
		t.Fatal(err)
	}
	name := fdPath(open) + "/made"
	var before, made error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the goroutine
		before = unix.Unshare(unix.CLONE_NEWNS)
		before = errors.Join(before, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		before = errors.Join(before, unix.Mount("/proc", proc, "", unix.MS_BIND|unix.MS_REC, ""), unix.Chroot(root))
		made = (&config{Dir: name, DirName: name}).makeDir()
	}()
	<-done
	if before != nil {
		t.Fatal(before)
	}
	if want := name + " is outside of the root file system"; fmt.Sprint(made) != want {
		t.Errorf("%v, want %s", made, want)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("outside of the root there are %v, %v", list, err)
	}
}

// TestMadeMeanwhile checks that a working directory that another process creates
// concurrently is not modified.
func TestMadeMeanwhile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.Mkdir("d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeHere("d", 12, 34); err != nil {
		t.Error(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(".", &st); err != nil || st.Uid != 0 || st.Gid != 0 || st.Mode&0o777 != 0o700 {
		t.Errorf("mode %o, owner %d:%d, %v; want 700 and 0:0", st.Mode, st.Uid, st.Gid, err)
	}
	if got, err := os.Getwd(); err != nil || got != filepath.Join(dir, "d") {
		t.Errorf("the working directory is %s, %v", got, err)
	}
}
