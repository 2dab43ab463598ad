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

	"slipway/internal/procfd"
	"slipway/internal/slowtest"
	"slipway/solver/runner"
)

// terminalVar is the environment variable that marks a run of the tests on a
// controlling terminal.
const terminalVar = "SLIPWAY_TEST_AT_TERMINAL"

// builderKey is the name of a key in the session keyring of the builder.
const builderKey = "slipway-test"

// TestSession checks that a process has a session of its own. It can use neither the
// terminal of the builder nor its session keyring, and cannot signal its process group.
// The test covers the first process of a container and a process that joins the
// container.
func TestSession(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if os.Getenv(terminalVar) == "" {
		master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		rerunAtTerminal(t, master)
		return
	}
	if got := answer("write:/dev/tty"); got != "OK" {
		t.Fatalf("open /dev/tty in the test: %v, want OK", got)
	}
	if got := answer("key:" + builderKey); got != "OK" {
		t.Fatalf("find the key in the test: %v, want OK", got)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	w := newFixture(t)
	want := map[string]string{"write:/dev/tty": "no such device or address", "signal-group": "OK"}
	check := func(kind string, got map[string]string) {
		t.Helper()
		for question, answer := range want {
			if got[question] != answer {
				t.Errorf("%s process: %s: %q, want %q", kind, question, got[question], answer)
			}
		}
	}
	check("first", w.probe(t, nil, "write:/dev/tty", "signal-group"))
	check("joined", w.probeJoined(t, nil, "write:/dev/tty", "signal-group"))
	// Only insecure processes may use keyrings.
	insecure := func(p *runner.Process) { p.Insecure = true }
	want = map[string]string{"key:" + builderKey: "ENOKEY"}
	check("insecure", w.probe(t, insecure, "key:"+builderKey))
	if !usesRuntime() { // a process that joins has the filter of the container
		check("insecure joined", w.probeJoined(t, insecure, "key:"+builderKey))
	}
	// SIGUSR1 from a step would be received before SIGUSR2, which has a higher number.
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if got := <-signals; got != syscall.SIGUSR2 {
		t.Errorf("signal %v, want only %v: a step reached the builder's process group", got, syscall.SIGUSR2)
	}
}

// rerunAtTerminal runs the current test again in a process on a terminal, with a key in
// its session keyring.
func rerunAtTerminal(t *testing.T, master *os.File) {
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
		_, err = unix.AddKey("user", builderKey, []byte("ticket"), unix.KEY_SPEC_SESSION_KEYRING)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^"+t.Name()+"$")
	cmd.Env, cmd.Stdin = append(os.Environ(), terminalVar+"=1"), slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// probeJoined runs /bin/probe (see probeMain) in a process that joins a container, with
// the questions as its arguments. It returns a map from each question to its answer. If
// change is not nil, it may modify the process first.
func (w *fixture) probeJoined(t *testing.T, change func(*runner.Process), questions ...string) map[string]string {
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

// TestLeakedDirectory checks that a process cannot reach a host directory that the
// builder inherited, for example as the working directory /proc/self/fd/N
// (CVE-2024-21626).
func TestLeakedDirectory(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	host := t.TempDir()
	leaked, err := unix.Open(host, unix.O_DIRECTORY|unix.O_RDONLY, 0) // not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leaked)
	w := newFixture(t)
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
			t.Errorf("working directory %s: error %v, of a joined process %v, want errors", dir, err, joined)
		}
	}
	if list, err := os.ReadDir(host); err != nil || len(list) > 0 {
		t.Errorf("files in the host directory %v, error %v, want none", list, err)
	}
}

// TestOutsideRoot checks that checkInsideRoot returns an error if the working directory
// is outside the root of the process.
func TestOutsideRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	c := &config{DirName: "/somewhere"}
	var before, after error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // the thread ends with the goroutine
		before = unix.Unshare(unix.CLONE_FS)
		before = errors.Join(before, unix.Chdir(outside), c.checkInsideRoot(), unix.Chroot(root))
		after = c.checkInsideRoot()
	}()
	<-done
	if before != nil {
		t.Error(before)
	}
	if want := "/somewhere is outside of the root file system"; after == nil || after.Error() != want {
		t.Errorf("outside the root: error %v, want %s", after, want)
	}
}

// TestMadeOutside checks that makeDir creates no directory outside the root, even if a
// magic link in the path leads out of the root.
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
	name := procfd.Path(open.Fd()) + "/made"
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
		t.Errorf("makeDir: error %v, want %s", made, want)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
		t.Errorf("files outside the root %v, error %v, want none", list, err)
	}
}

// TestMadeMeanwhile checks that makeHere does not change the owner and mode of a
// directory that another process has created in the meantime.
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
		t.Errorf("mode %o, owner %d:%d, error %v, want 700 and 0:0", st.Mode, st.Uid, st.Gid, err)
	}
	if got, err := os.Getwd(); err != nil || got != filepath.Join(dir, "d") {
		t.Errorf("working directory %s, error %v, want %s", got, err, filepath.Join(dir, "d"))
	}
}
