package namespace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/runner/launch"
	"slipway/solver/tree"
)

// probeMain is the main function of /bin/probe, a copy of this program that test steps
// execute. It answers questions that a shell script cannot answer. Each argument is a question
// of the form KIND or KIND:TEXT. For each question, probeMain prints a line with the question
// and the answer. If this program is not called probe, probeMain does nothing.
func probeMain() {
	if filepath.Base(os.Args[0]) != "probe" {
		return
	}
	for _, arg := range os.Args[1:] {
		fmt.Println(arg, answer(arg))
	}
	os.Exit(0)
}

// answer returns the answer of /bin/probe to a question, such as limit:nofile. The
// answer is a value, OK, or an error.
func answer(arg string) any {
	call := func(n uintptr, args ...uintptr) any {
		args = append(args, 0, 0, 0, 0, 0)
		if _, _, errno := syscall.Syscall6(n, args[0], args[1], args[2], args[3], args[4], 0); errno != 0 {
			return unix.ErrnoName(errno)
		}
		return "OK"
	}
	var st unix.Stat_t
	var fs unix.Statfs_t
	name, param, _ := strings.Cut(arg, ":")
	switch name {
	case "clone": // clone into a user namespace, with invalid flags so that no process is created
		return call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_FS)
	case "clone3":
		return call(unix.SYS_CLONE3)
	case "user":
		return fmt.Sprint(os.Getuid(), " ", os.Geteuid())
	case "drop": // become an ordinary user and execute the program param, like su
		if err := errors.Join(syscall.Setgid(34), syscall.Setuid(12)); err != nil {
			return err
		}
		return syscall.Exec(param, []string{"/bin/probe", "user", "capabilities"}, nil)
	case "orphan": // run the script param without a parent-death signal, as another user if one exists
		err := unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
		if !hasOneUser() {
			err = errors.Join(err, syscall.Setgid(34), syscall.Setuid(12))
		}
		return errors.Join(err, syscall.Exec("/bin/sh", []string{"sh", "-c", param}, nil))
	case "capabilities":
		data, _ := os.ReadFile("/proc/self/status")
		_, text, _ := strings.Cut(string(data), "CapEff:")
		return strings.Fields(text)[0]
	case "listen": // listen on a socket and leave its file
		if err := os.MkdirAll(filepath.Dir(param), 0o755); err != nil {
			return err
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: param, Net: "unix"})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		l.Close()
		return "OK"
	case "pass": // pass a descriptor of the root to the listener on a socket
		root, err := os.Open("/")
		if err != nil {
			return err
		}
		conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: param, Net: "unix"})
		if err != nil {
			return err
		}
		_, _, err = conn.WriteMsgUnix([]byte("x"), unix.UnixRights(int(root.Fd())), nil)
		if err = errors.Join(err, conn.Close()); err != nil {
			return err
		}
		return "OK"
	case "remove":
		if err := os.Remove(param); err != nil {
			return err
		}
		return "OK"
	case "empty":
		if err := errors.Join(os.RemoveAll(param), os.Mkdir(param, 0o755)); err != nil {
			return err
		}
		return "OK"
	case "variable":
		return os.Getenv(param)
	case "unshare":
		return call(unix.SYS_UNSHARE)
	case "chmod":
		if err := os.Chmod(param, 0o711|os.ModeSetuid); err != nil {
			return errors.Unwrap(err)
		}
		return "OK"
	case "owner":
		if err := os.Chown(param, 0, 0); err != nil {
			return errors.Unwrap(err)
		}
		return "OK"
	case "spy":
		return spy()
	case "key":
		_, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", param, 0)
		var errno unix.Errno
		if errors.As(err, &errno) {
			return unix.ErrnoName(errno)
		}
		return "OK"
	case "signal-group":
		return call(unix.SYS_KILL, 0, uintptr(unix.SIGUSR1))
	case "keyctl":
		return call(unix.SYS_KEYCTL)
	case "bpf":
		return call(unix.SYS_BPF)
	case "name_to_handle_at": // a call that the filter allows
		return call(unix.SYS_NAME_TO_HANDLE_AT)
	case "io_uring":
		return call(unix.SYS_IO_URING_SETUP)
	case "mount":
		target := []byte("/tmp\x00")
		return call(unix.SYS_MOUNT, 0, uintptr(unsafe.Pointer(&target[0])))
	case "stat":
		if err := unix.Stat(param, &st); err != nil {
			return err
		}
		return fmt.Sprintf("%o %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
	case "size":
		if err := unix.Statfs(param, &fs); err != nil {
			return err
		}
		return fs.Blocks * uint64(fs.Bsize)
	case "flags":
		if err := unix.Statfs(param, &fs); err != nil {
			return err
		}
		return fs.Flags & (unix.ST_RDONLY | unix.ST_NODEV | unix.ST_NOSUID | unix.ST_NOEXEC)
	case "write":
		f, err := os.OpenFile(param, os.O_WRONLY, 0)
		if err != nil {
			return errors.Unwrap(err)
		}
		f.Close()
		return "OK"
	case "read":
		data, err := os.ReadFile(param)
		if err != nil {
			return errors.Unwrap(err)
		}
		return len(data)
	case "limit":
		var l unix.Rlimit
		if err := unix.Getrlimit(launch.Limits()[param], &l); err != nil {
			return err
		}
		return fmt.Sprint(l.Cur, " ", l.Max)
	case "list":
		list, err := os.ReadDir(param)
		if err != nil {
			return errors.Unwrap(err)
		}
		var names []string
		for _, d := range list {
			names = append(names, d.Name())
		}
		return names
	case "link":
		to, err := os.Readlink(param)
		return fmt.Sprint(to, err)
	case "socket":
		c, err := net.Dial("unix", param)
		if err != nil {
			return err
		}
		fmt.Fprint(c, "question")
		_ = c.(*net.UnixConn).CloseWrite()
		data, err := io.ReadAll(c)
		return fmt.Sprint(string(data), err)
	}
	return "unknown"
}

// probe runs /bin/probe (see probeMain) in a new process, with the questions as its
// arguments. It returns a map from each question to its answer. If change is not nil,
// it may modify the process first. Without questions, the call only ensures that the
// root contains /bin/probe.
func (w *fixture) probe(t *testing.T, change func(*runner.Process), questions ...string) map[string]string {
	t.Helper()
	if testtree.Must(w.root.Get("bin/probe")) == nil {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		w.install(t, "bin/probe", self)
	}
	p := w.process("")
	p.Args = append([]string{"/bin/probe"}, questions...)
	if change != nil {
		change(p)
	}
	out, _ := w.run(t, p)
	return answers(out)
}

// answers parses the output of /bin/probe and returns a map from each question to its
// answer.
func answers(out string) map[string]string {
	list := map[string]string{}
	for line := range strings.Lines(out) {
		question, answer, _ := strings.Cut(strings.TrimSpace(line), " ")
		list[question] = answer
	}
	return list
}

// initialIDs reports whether this process is in the initial user namespace of the
// machine, which maps all IDs.
func initialIDs() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(data)), " ") == "0 0 4294967295"
}

// isRootless reports whether the tests run as root of a user namespace instead of root of the
// machine.
func isRootless(t *testing.T) bool {
	t.Helper()
	return !initialIDs()
}

// TestFilter checks the results of system calls in a step, as root and as another user. Calls
// that Docker's profile does not contain must fail, except in an insecure step, which may use
// all calls.
func TestFilter(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	users := []string{"", "me"}
	if hasOneUser() {
		users = users[:1]
	}
	want := map[string]string{
		"clone": "EPERM", "clone3": "ENOSYS", "unshare": "EPERM", "keyctl": "EPERM", "bpf": "EPERM", "io_uring": "EPERM", "mount": "EPERM",
		"name_to_handle_at": "EFAULT",
	}
	for _, user := range users {
		got := w.probe(t, func(p *runner.Process) { p.User = user }, "clone", "clone3", "unshare", "keyctl", "bpf", "io_uring", "mount", "name_to_handle_at")
		for question, answer := range want {
			if got[question] != answer {
				t.Errorf("user %q: %s: %q, want %s", user, question, got[question], answer)
			}
		}
	}
	// With all privileges, all system calls are allowed.
	got := w.probe(t, func(p *runner.Process) { p.Insecure = true }, "clone3", "unshare", "write:/proc/sys/kernel/hostname")
	if got["clone3"] == "ENOSYS" || got["unshare"] != "OK" || got["write:/proc/sys/kernel/hostname"] != "OK" && !isRootless(t) {
		t.Errorf("insecure step: %v, want that all calls are allowed", got)
	}
}

// TestPrivileges checks that a step has exactly the capabilities and the seccomp mode
// of an ordinary container, and that an insecure step has more privileges.
func TestPrivileges(t *testing.T) {
	w := newFixture(t)
	status := "while read key value rest; do case $key in CapEff:|CapPrm:|CapInh:|CapAmb:|CapBnd:|NoNewPrivs:|Seccomp:) echo $key $value;; esac; done < /proc/self/status"
	const usual, none = "00000000a80425fb", "0000000000000000"
	for user, want := range map[string]string{
		"":   "CapInh: " + none + " CapPrm: " + usual + " CapEff: " + usual + " CapBnd: " + usual + " CapAmb: " + none + " NoNewPrivs: 0 Seccomp: 2",
		"me": "CapInh: " + none + " CapPrm: " + none + " CapEff: " + none + " CapBnd: " + usual + " CapAmb: " + none + " NoNewPrivs: 0 Seccomp: 2",
	} {
		if user != "" && hasOneUser() {
			continue
		}
		p := w.process(status)
		p.User = user
		out, _ := w.run(t, p)
		if got := strings.Join(strings.Fields(out), " "); got != want {
			t.Errorf("user %q: privileges\n%s\nwant\n%s", user, got, want)
		}
	}
	p := w.process(status)
	p.Insecure = true
	if out, _ := w.run(t, p); strings.Contains(out, "CapEff: "+usual) || !strings.Contains(out, "NoNewPrivs: 0") || !strings.Contains(out, "Seccomp: 0") {
		t.Errorf("insecure step: privileges\n%swant more than the default capabilities and no seccomp filter", out)
	}
}

// TestSetuid checks that setuid programs and file capabilities work in steps that run
// as root or as another user, and that no program gets more than the default
// capabilities.
func TestSetuid(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.probe(t, nil)
	e, m := tree.Edit(w.root), testtree.Must(w.root.Get("bin/probe")).Meta()
	m.Mode |= 0o4000
	withCaps := testtree.Must(w.root.Get("bin/probe")).Meta()
	withCaps.Xattrs = []tree.Xattr{{Name: "security.capability", Value: capNetBindService}}
	blob := testtree.Must(w.root.Get("bin/probe")).Blob()
	if err := errors.Join(e.Put("bin/setuid", tree.NewFile(m, blob)), e.Put("bin/caps", tree.NewFile(withCaps, blob))); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	const usual = "00000000a80425fb"
	if hasOneUser() {
		// No other user exists. The program with capabilities can be executed.
		p := w.process("/bin/caps; :")
		w.run(t, p)
		return
	}
	for _, tc := range []struct{ user, program, want string }{
		{"", "setuid", "user 12 0\ncapabilities " + usual},
		{"me", "setuid", "user 12 0\ncapabilities " + usual},
		{"", "caps", "user 12 12\ncapabilities 0000000000000400"},
		{"me", "caps", "user 12 12\ncapabilities 0000000000000400"},
	} {
		p := w.process("")
		p.Args, p.User = []string{"/bin/probe", "drop:/bin/" + tc.program}, tc.user
		if out, _ := w.run(t, p); strings.TrimSpace(out) != tc.want {
			t.Errorf("step of user %q, program %s as user 12:\n%s\nwant\n%s", tc.user, tc.program, out, tc.want)
		}
	}
}

// capNetBindService is the value of the attribute security.capability for
// cap_net_bind_service+ep.
const capNetBindService = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// TestSystem checks which files in /proc, /sys and /dev a process sees and may write,
// and which files it has open.
func TestSystem(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	want := map[string]string{
		"read:/proc/keys": "0", "list:/sys/firmware": "[]", "list:/sys/fs/cgroup": "[]",
		"write:/proc/sys/kernel/hostname": "read-only file system",
		"list:/dev":                       "[fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero]",
		"write:/etc/hosts":                "read-only file system", "write:/etc/resolv.conf": "read-only file system",
		"stat:/dev/null": "666 0:0", "stat:/dev/shm": "1777 0:0", "link:/proc/self": "1<nil>",
	}
	if _, err := os.Stat("/proc/kcore"); err == nil { // then /dev/core is a link to it
		want["list:/dev"] = strings.Replace(want["list:/dev"], "[", "[core ", 1)
	}
	if usesRuntime() { // same as BuildKit
		delete(want, "list:/sys/fs/cgroup")
		delete(want, "list:/dev") // crun always creates core
	}
	var questions []string
	for question := range want {
		questions = append(questions, question)
	}
	got := w.probe(t, nil, questions...)
	for question, answer := range want {
		if isRootless(t) && (question == "stat:/dev/null" || strings.HasPrefix(question, "write:/proc/")) {
			continue // it belongs to an unmapped user
		}
		if got[question] != answer {
			t.Errorf("%s: %q, want %q", question, got[question], answer)
		}
	}
	// The standard streams must be pipes. The step could change the mode of a file of the
	// host, such as /dev/null.
	links := []string{"link:/proc/self/fd/0", "link:/proc/self/fd/1", "link:/proc/self/fd/2"}
	for question, answer := range w.probe(t, nil, links...) {
		if !strings.HasPrefix(answer, "pipe:[") {
			t.Errorf("%s: %q, want a pipe", question, answer)
		}
	}
	// The shell opens the directory /proc/self/fd as file 3 to list it.
	out, _ := w.run(t, w.process("for f in /proc/self/fd/*; do echo ${f##*/}; done; read line || echo end of input"))
	if out != "0\n1\n2\n3\nend of input\n" {
		t.Errorf("open files\n%swant 0 to 3 and an empty standard input", out)
	}
}

// TestLimits checks that a process has the configured resource limits, and that a tmpfs that
// replaces /dev/shm has the configured size. An unknown limit must result in an error.
func TestLimits(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	got := w.probe(t, func(p *runner.Process) {
		p.Ulimits = []runner.Ulimit{{Name: "nofile", Soft: 40, Hard: 60}, {Name: "core", Soft: 0, Hard: 0}}
		p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountTmpfs, Target: "/dev/shm", Size: 1 << 20})
	}, "limit:nofile", "limit:core", "size:/dev/shm")
	// Go raises the soft limit of the probe itself.
	if !strings.HasSuffix(got["limit:nofile"], " 60") || got["limit:core"] != "0 0" || got["size:/dev/shm"] != "1048576" {
		t.Errorf("limits %v, want at most 60 files, no core files, and 1 MiB in /dev/shm", got)
	}
	p := w.process("ulimit -n; ulimit -Hn")
	p.Ulimits = []runner.Ulimit{{Name: "nofile", Soft: 40, Hard: 60}}
	if out, _ := w.run(t, p); out != "40\n60\n" {
		t.Errorf("limits of open files %q, want 40 and 60", out)
	}
	p.Ulimits = []runner.Ulimit{{Name: "luck", Soft: 1, Hard: 1}}
	if _, err := w.Run(t.Context(), p); err == nil || err.Error() != "unknown limit luck" {
		t.Errorf("unknown limit: error %v, want one that names it", err)
	}
}

// TestEnds checks that all descendants of a process are killed when it ends or is canceled,
// even if they ignore signals. Run must not wait until the descendants end by themselves.
func TestEnds(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	for _, tc := range []struct{ name, last string }{{"end", "exit 0"}, {"cancel", "echo ready; while :; do :; done"}} {
		mark := fmt.Sprintf("mark-%d-%s", os.Getpid(), tc.name)
		script := `trap "" TERM INT HUP; (while :; do :; done) & (sh -c "while :; do :; done" ` + mark + `) & (exit 0) & ` + tc.last
		p := w.process(script)
		p.Args = append(p.Args, mark)
		ready, out := io.Pipe()
		p.Stdout = out
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			if _, err := ready.Read(make([]byte, 8)); err == nil {
				cancel()
			}
		}()
		begin := time.Now()
		_, err := w.Run(ctx, p)
		if tc.name == "end" && err != nil || tc.name == "cancel" && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want nil for end, %v for cancel", tc.name, err, context.Canceled)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s: Run took %s, want less than 20 s", tc.name, took)
		}
		lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range lines {
			if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(mark)) {
				t.Errorf("%s: process %q still runs, want none", tc.name, data)
			}
		}
	}
}

// TestNames checks that a process sees /etc/hosts and /etc/resolv.conf of its
// container, and that these files are not part of the result, whether or not the image
// contains them.
func TestNames(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	_, n := w.run(t, w.process("read a < /etc/hosts; read b < /etc/resolv.conf; :"))
	if !n.Same(w.root) {
		t.Error("image without the files: the tree changed, want the same")
	}
	for _, name := range []string{"etc/hosts", "etc/resolv.conf"} {
		w.write(t, name, 0o640, []byte("1.2.3.4 of-the-image\n"))
	}
	out, n := w.run(t, w.process("while read a b; do echo $b; done < /etc/hosts"))
	if !n.Same(w.root) || strings.Contains(out, "of-the-image") {
		t.Errorf("image with the files: the tree changed, or /etc/hosts is the image's: %q", out)
	}
}

// TestFileMounts checks that secrets and sockets have the specified owner and mode,
// that secrets are read-only, and that Serve handles connections to a socket.
func TestFileMounts(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	serve := func(_ context.Context, c net.Conn) {
		data, _ := io.ReadAll(c)
		fmt.Fprintf(c, "answer to %s ", data)
	}
	uid := uint32(12)
	if hasOneUser() {
		uid = 0
	}
	got := w.probe(t, func(p *runner.Process) {
		p.Mounts = append(p.Mounts,
			runner.Mount{Kind: runner.MountFile, Target: "/run/secrets/s", Data: []byte("secret"), UID: uid, GID: uid, Mode: 0o440},
			runner.Mount{Kind: runner.MountSocket, Target: "/run/agent", Serve: serve, UID: uid, GID: uid, Mode: 0o600},
		)
	}, "stat:/run/secrets/s", "read:/run/secrets/s", "write:/run/secrets/s", "stat:/run/agent", "socket:/run/agent")
	for question, answer := range map[string]string{
		"stat:/run/secrets/s": fmt.Sprintf("440 %d:%d", uid, uid), "read:/run/secrets/s": "6", "write:/run/secrets/s": "read-only file system",
		"stat:/run/agent": fmt.Sprintf("600 %d:%d", uid, uid), "socket:/run/agent": "answer to question <nil>",
	} {
		if got[question] != answer {
			t.Errorf("%s: %q, want %q", question, got[question], answer)
		}
	}
}

// TestWorkingDirectory checks that a missing working directory is created with the owner of
// the process, that directories before ".." belong to root, and that a file in the path
// results in an error.
func TestWorkingDirectory(t *testing.T) {
	w := newFixture(t)
	p := w.process("echo x > f")
	p.Dir, p.User = "/x/z/../../y/d", "7"
	_, n := w.run(t, p)
	for name, uid := range map[string]uint32{"x": 0, "x/z": 0, "y": 7, "y/d": 7, "y/d/f": 7} {
		if c := testtree.Must(n.Get(name)); c == nil || c.Meta().UID != uid {
			t.Errorf("%s: %+v, want owner %d", name, c, uid)
		}
	}
	p.Dir = "/bin/sh/../y"
	if _, err := w.Run(t.Context(), p); err == nil {
		t.Error("working directory below a file: error nil, want one")
	}
}

// TestUmask checks that the modes of files that steps create do not depend on the umask
// of the builder.
func TestUmask(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	defer unix.Umask(unix.Umask(0o077))
	p := w.process("echo x > f")
	p.Dir = "/made/here"
	_, n := w.run(t, p)
	if d, f := testtree.Must(n.Get("made")).Meta().Mode, testtree.Must(n.Get("made/here/f")).Meta().Mode; d != 0o755 || f != 0o644 {
		t.Errorf("modes %o of the directory and %o of the file, want 755 and 644", d, f)
	}
}
