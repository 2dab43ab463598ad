package namespace

import (
	"context"
	"errors"
	"fmt"
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

// entered is the variable that marks this program when it runs again as root of
// a user namespace. Its value is the PID of the process that started it or, until
// the ids of the namespace are mapped, awaiting and the number of a pipe.
const (
	entered  = "SLIPWAY_USER_NAMESPACE"
	awaiting = "wait:"
)

// Enter makes someone who is not root the root of a user namespace: it runs this
// program again there, and exits with its code. It returns if this is root
// already, or with an error if there can be no such namespace.
//
// With newuidmap and ranges in /etc/subuid, files may belong to any user of an
// image; otherwise only to root.
func Enter() error {
	if os.Geteuid() == 0 {
		return nil
	}
	// The kernel kills the namespace when the thread ends that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// The system may have programs and ids for others than root, and not let
	// them be used all the same; root alone is enough for most.
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

// enter starts this program as root of a user namespace, with other users or
// without.
func enter(others bool) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), entered+"="+strconv.Itoa(os.Getpid()))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	mapped := func(int) error { return nil }
	if others {
		var err error
		if mapped, err = mapIDs(cmd); err != nil {
			return nil, err
		}
	} else {
		mapRoot(cmd)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a user namespace: %w", err)
	}
	if err := mapped(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	return cmd, nil
}

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

// mapRoot makes this user root of the namespace, in which there is nobody else.
func mapRoot(cmd *exec.Cmd) {
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// mapIDs makes this user root of the namespace, and gives it others. What it
// returns is called when the process is there.
//
// The kernel lets everybody map one id, and newuidmap, which is setuid, those
// that /etc/subuid gives to a user. The process waits for its ids on a pipe.
func mapIDs(cmd *exec.Cmd) (func(pid int) error, error) {
	uids, gids, err := ranges()
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	// The pipe is inherited under its own number. ExtraFiles would hide a file that
	// the user has open as 3 and names as /dev/fd/3.
	if _, err := unix.FcntlInt(r.Fd(), unix.F_SETFD, 0); err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	cmd.Env = append(cmd.Env, entered+"="+awaiting+strconv.Itoa(int(r.Fd())))
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

// ranges returns the ids that this user may map.
func ranges() (uids, gids subid.SubID, err error) {
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
		return uids, gids, errors.New("no ids are set aside for this user")
	}
	return u[0], g[0], nil
}

// resume continues the start of a process that [Enter] started. It returns at
// once in any other process.
func resume() {
	value := os.Getenv(entered)
	if value == "" {
		return
	}
	if pipe, waits := strings.CutPrefix(value, awaiting); waits {
		awaitIDs(pipe)
	}
	endWith(value)
}

// awaitIDs waits until the ids of this process are mapped. It had none when it
// started, so the kernel took its capabilities. Root gets them back by starting
// this program again.
func awaitIDs(pipe string) {
	fd, _ := strconv.Atoi(pipe) // as mapIDs wrote it
	r := os.NewFile(uintptr(fd), "ids")
	_, _ = r.Read(make([]byte, 1)) // ends when the parent closes its end
	r.Close()
	// The parent cannot be another process yet: if it had ended, so would this one.
	os.Setenv(entered, strconv.Itoa(os.Getppid()))
	err := syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	fmt.Fprintf(os.Stderr, "start as root of a user namespace: %v\n", err)
	os.Exit(1)
}

// endWith has the kernel kill this process when its parent ends. It was started
// that way, but the kernel forgets that when a program gets capabilities, as this
// one does when it starts again with its ids.
func endWith(parent string) {
	err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if err == nil && strconv.Itoa(os.Getppid()) != parent {
		err = errors.New("the process that started it has ended")
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "run in a user namespace: %v\n", err)
		os.Exit(1)
	}
	os.Unsetenv(entered) // programs that this process starts are not children of parent
}

// oneID tells whether this process is in a user namespace with a single user.
func oneID() bool {
	data, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(data))
	return err == nil && len(f) == 3 && f[2] == "1"
}

// Available returns why processes cannot run here. It returns nil if they can.
func Available(ctx context.Context) error { return available(ctx, runtime.GOARCH) }

// available is Available on an architecture by Go's name.
func available(ctx context.Context, goarch string) error {
	if _, err := nativeCalls(goarch); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{probeName}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		mapRoot(cmd)
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		return fmt.Errorf("namespaces: %w: %s", err, out)
	case os.Geteuid() != 0:
		return errors.New("namespaces: this program is not root, nor has it become that of a user namespace")
	}
	return nil
}

// probeName is what this program is called when it tries what a step needs.
const probeName = "slipway-probe"

// probe mounts what every step does.
func probe() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	dir, err := os.MkdirTemp("", "slipway-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
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
	return os.Chdir("/")
}
