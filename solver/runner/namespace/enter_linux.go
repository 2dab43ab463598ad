package namespace

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	subid "github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// enterVar is the environment variable that marks this program when it runs again as
// root of a user namespace. Its value is the PID of the parent. While the IDs of the
// namespace are not mapped yet, the value is awaitPrefix followed by the descriptor
// number of a pipe.
const (
	enterVar    = "SLIPWAY_USER_NAMESPACE"
	awaitPrefix = "wait:"
)

// Enter makes an ordinary user root of a user namespace: it runs this program again in the
// namespace and then exits with the exit code of that run. It returns nil if this process
// already has the privileges of root, and an error if the namespace cannot be created.
//
// With newuidmap and ranges in /etc/subuid, files may belong to any user of an image. Without
// newuidmap or such a range, all files belong to root.
//
// Root in a container usually lacks CAP_SYS_ADMIN. Enter makes it root of a user namespace
// with the same users, but only if steps can run there. Otherwise it returns nil, because this
// process could do less in the user namespace than outside, for example create devices.
func Enter() error {
	if os.Geteuid() == 0 && (Privileged() || runProbe(exec.Command("/proc/self/exe")) != nil) {
		return nil
	}
	// The kernel kills the child when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The system may have the programs and IDs for other users but reject their use. A
	// namespace with root only is enough for most builds.
	cmd, err := enter(true)
	if err != nil {
		cmd, err = enter(false)
	}
	if err != nil {
		return err
	}
	code, err := exitCode(waitPassingSignals(cmd))
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

// enter starts this program again as root of a new user namespace. If mapOthers is set, the
// namespace also maps subordinate IDs, so that files can belong to users other than root.
func enter(mapOthers bool) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), enterVar+"="+strconv.Itoa(os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	mapAfterStart := func(int) error { return nil }
	var err error
	switch {
	case !mapOthers:
		mapRoot(cmd)
	case os.Geteuid() == 0:
		err = mapAll(cmd)
	default:
		mapAfterStart, err = mapIDs(cmd)
	}
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a user namespace: %w", err)
	}
	if err := mapAfterStart(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	return cmd, nil
}

// waitPassingSignals waits until a command ends, and meanwhile forwards SIGINT and SIGTERM to
// it.
func waitPassingSignals(cmd *exec.Cmd) error {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer close(signals)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	return cmd.Wait()
}

// mapRoot makes the command run in a user namespace in which this user is root and no
// other user exists.
func mapRoot(cmd *exec.Cmd) {
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// mapAll makes the command run in a user namespace with the users and groups that this process
// has. Writing such a map requires CAP_SETUID and CAP_SETGID.
func mapAll(cmd *exec.Cmd) error {
	uids, err := subid.CurrentProcessUIDMap()
	if err != nil {
		return err
	}
	gids, err := subid.CurrentProcessGIDMap()
	if err != nil {
		return err
	}
	cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = sameIDs(uids), sameIDs(gids)
	cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	return nil
}

// sameIDs returns a map in which each ID of the map ids stands for itself. It leaves out the
// last ID of a map with all IDs: with such a map, package userns and other programs would
// not recognize the user namespace.
func sameIDs(ids []subid.IDMap) (list []syscall.SysProcIDMap) {
	for _, m := range ids {
		size := min(m.Count, math.MaxUint32-1, math.MaxInt) // an int has 32 bits on some platforms
		list = append(list, syscall.SysProcIDMap{ContainerID: int(m.ID), HostID: int(m.ID), Size: int(size)})
	}
	return list
}

// mapIDs makes the command run in a user namespace in which this user is root, and
// subordinate IDs are the other users. The caller must call the returned function with
// the PID of the started process.
//
// The kernel lets an ordinary user map only one ID. newuidmap, which is setuid, maps
// the IDs that /etc/subuid assigns to the user. The process waits for its IDs on a
// pipe.
func mapIDs(cmd *exec.Cmd) (func(pid int) error, error) {
	uids, gids, err := subordinateIDs()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// The pipe is inherited under its own number. ExtraFiles would replace a file that
	// the user has open as 3 and refers to as /dev/fd/3.
	if _, err := unix.FcntlInt(r.Fd(), unix.F_SETFD, 0); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	cmd.Env = append(cmd.Env, enterVar+"="+awaitPrefix+strconv.Itoa(int(r.Fd())))
	return func(pid int) error {
		defer r.Close()
		defer w.Close()
		for _, m := range []struct {
			program string
			own     int
			sub     subid.SubID
		}{{"newuidmap", os.Geteuid(), uids}, {"newgidmap", os.Getegid(), gids}} {
			out, err := exec.Command(m.program, strconv.Itoa(pid), "0", strconv.Itoa(m.own), "1",
				"1", strconv.FormatInt(m.sub.SubID, 10), strconv.FormatInt(m.sub.Count, 10)).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w: %s", m.program, err, out)
			}
		}
		return nil
	}, nil
}

// subordinateIDs returns the first ranges of user and group IDs that /etc/subuid and
// /etc/subgid assign to this user.
func subordinateIDs() (uids, gids subid.SubID, err error) {
	for _, program := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(program); err != nil {
			return uids, gids, err
		}
	}
	u, err := subid.CurrentUserSubUIDs()
	if err != nil {
		return uids, gids, err
	}
	g, err := subid.CurrentUserSubGIDs()
	if err != nil {
		return uids, gids, err
	}
	if len(u) == 0 || len(g) == 0 {
		return uids, gids, errors.New("this user has no subordinate IDs (add ranges to /etc/subuid and /etc/subgid)")
	}
	return u[0], g[0], nil
}

// resume continues the start of a process that [Enter] started. In any other process it
// returns immediately.
func resume() {
	value := os.Getenv(enterVar)
	if value == "" {
		return
	}
	if pipe, waits := strings.CutPrefix(value, awaitPrefix); waits {
		awaitIDs(pipe)
	}
	endWith(value)
}

// awaitIDs waits until the parent process has mapped the IDs of this process, and then
// executes this program again. This is needed to regain capabilities, which the kernel removed
// because the process was started without mapped IDs.
func awaitIDs(pipe string) {
	fd, _ := strconv.Atoi(pipe) // written by mapIDs
	r := os.NewFile(uintptr(fd), "ids")
	_, _ = r.Read(make([]byte, 1)) // ends when the parent closes its end
	r.Close()
	// The parent PID is still valid: if the parent had ended, this process would have
	// been killed.
	os.Setenv(enterVar, strconv.Itoa(os.Getppid()))
	err := syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	fmt.Fprintf(os.Stderr, "start as root of a user namespace: %v\n", err)
	os.Exit(1)
}

// endWith makes the kernel kill this process when its parent ends. The parameter parent is the
// PID of the process that started this one. If the current parent has another PID, the
// original one has already ended, and endWith exits.
//
// Enter has already made this request to the kernel. The kernel drops the request when a
// program gains capabilities, as this program does when it is executed again.
func endWith(parent string) {
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err == nil && strconv.Itoa(os.Getppid()) != parent {
		err = errors.New("the process that started it has ended")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "run in a user namespace: %v\n", err)
		os.Exit(1)
	}
	os.Unsetenv(enterVar) // programs that this process starts are not children of parent
}

// hasOneUser reports whether this process is in a user namespace that maps only one user, so
// that all files that the process creates belong to this user.
func hasOneUser() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(data))
	return err == nil && len(f) == 3 && f[2] == "1"
}

// Available returns nil if steps can run in namespaces on this machine, and otherwise
// the reason why they cannot.
func Available(ctx context.Context) error { return available(ctx, runtime.GOARCH) }

// Privileged reports whether this process is root with the capability CAP_SYS_ADMIN, which
// it needs to create namespaces. A security module may still forbid it to do so: see
// [Available].
func Privileged() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	err := unix.Capget(&header, &sets[0])
	return err == nil && os.Geteuid() == 0 && sets[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// available returns nil if steps can run in namespaces on this machine, and otherwise the
// reason why they cannot. The parameter goarch is the GOARCH name of the architecture whose
// system calls the seccomp filter must know.
func available(ctx context.Context, goarch string) error {
	if _, err := nativeCalls(goarch); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	if err := runProbe(exec.CommandContext(ctx, "/proc/self/exe")); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	if !Privileged() {
		return errors.New("namespaces: this process is not root of a user namespace")
	}
	return nil
}

// runProbe runs [probe] in new namespaces. The command cmd executes this program. Without
// privileges, runProbe also creates a user namespace.
func runProbe(cmd *exec.Cmd) error {
	cmd.Args = []string{probeName}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET}
	if !Privileged() {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		mapRoot(cmd)
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case len(out) > 0:
		return errors.New(string(out))
	}
	return fmt.Errorf("create namespaces: %w%s", err, forbidden())
}

// forbidden returns a remedy, in parentheses, if a setting of the machine forbids users to
// create user namespaces. Otherwise it returns "".
func forbidden() string {
	for _, s := range []struct{ name, forbids, allows string }{
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
		{"kernel.unprivileged_userns_clone", "0", "1"},
		{"user.max_user_namespaces", "0", "10000"},
	} {
		value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(s.name, ".", "/"))
		if err == nil && strings.TrimSpace(string(value)) == s.forbids && os.Geteuid() != 0 {
			return fmt.Sprintf(" (allow it on the machine: sysctl -w %s=%s)", s.name, s.allows)
		}
	}
	return ""
}

// probeName is the value of os.Args[0] with which this program runs [probe].
const probeName = "slipway-probe"

// probe mounts a tmpfs, an overlay and a proc file system, as every step does. It
// returns an error if the kernel does not allow one of them.
func probe() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const dir = "/dev" // any existing directory but /proc; the mount is private
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	m := &mount{Lower: []string{dir + "/lower"}, Upper: dir + "/upper", Work: dir + "/work", Merged: dir + "/merged"}
	for _, d := range []string{m.Lower[0], m.Upper, m.Work, m.Merged, dir + "/proc"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return err
		}
	}
	if err := overlay(m); err != nil {
		return fmt.Errorf("mount an overlay: %w", err)
	}
	if err := unix.Mount("proc", dir+"/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	return nil
}
