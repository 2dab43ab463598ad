package namespace

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"slipway/solver/runner/launch"
)

// Main runs a process of a step, the guard or a probe if this program was started as
// one of them, and then exits. Otherwise it returns. A main function must call it
// first.
func Main() {
	resume()
	switch {
	case len(os.Args) != 1:
		return
	case os.Args[0] == probeName:
		if err := probe(); err != nil {
			fmt.Fprint(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case os.Args[0] == guardName:
		runGuard()
	case os.Args[0] != initName:
		return
	}
	runtime.LockOSThread()
	// Processes of the container must not inspect this process when it joins them.
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // fails only for other values
	errorPipe := os.NewFile(errorFile, "errors")
	unix.CloseOnExec(errorFile)
	fmt.Fprint(errorPipe, run(os.NewFile(configFile, "config")))
	os.Exit(1)
}

// These are the descriptors that the builder passes to the init process. Descriptors
// from firstFile on depend on the process, see passedFiles.
const (
	configFile  = 3
	errorFile   = 4 // pipe to which the init process writes its error and reports
	programFile = 5 // program that the init process executes first: this one
	firstFile   = 6
)

// passedFiles returns the additional descriptors that the builder passes to the init
// process: the mount namespace to join, and the socket on which the builder expects the
// terminal. A descriptor that the process does not need is -1.
func (c *config) passedFiles() (space, terminal int) {
	space, terminal = -1, -1
	next := firstFile
	if c.Join {
		space = next
		next++
	}
	if c.Terminal {
		terminal = next
	}
	return space, terminal
}

// run sets up or joins the container and executes the program of the step. It returns
// only if an error occurs.
func run(in *os.File) error {
	var c config
	if err := c.receive(in); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	in.Close()
	unix.Umask(0o022) // regardless of the builder's umask
	if err := c.closeInherited(); err != nil {
		return fmt.Errorf("close inherited files: %w", err)
	}
	space, _ := c.passedFiles()
	if c.Join {
		if err := joinMounts(space); err != nil {
			return fmt.Errorf("join the mounts: %w", err)
		}
	}
	if c.OCI != nil {
		return c.becomeRuntime()
	}
	if !c.Join {
		if err := c.build(); err != nil {
			return err
		}
	}
	if err := c.makeDir(); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	if err := c.newSession(); err != nil {
		return err
	}
	if err := c.confine(); err != nil {
		return err
	}
	return launch.Exec(c.Args, launch.Environ(c.Env, c.Home))
}

// closeInherited closes files that the builder inherited from its parent. A host
// directory among them would be a way out of the container, because /proc/self/fd/N
// leads to it until the program is executed (CVE-2024-21626).
//
// Inherited files lack the close-on-exec flag. The files of this program have the flag,
// except for those that the builder passes to the init process.
func (c *config) closeInherited() error {
	space, terminal := c.passedFiles()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, d := range list {
		fd, err := strconv.Atoi(d.Name())
		if err != nil {
			return err
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && fd > errorFile && fd != space && fd != terminal && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// joinMounts moves this thread to a mount namespace and closes space, the descriptor of
// the namespace. It also changes the root of the other threads. If it did not, paths in
// the container could lead to the host's root as /proc/self/task/N/root until the program
// is executed.
//
// Executing a second program inside the namespace would solve this as well. But the kernel
// and the loader would then open files of the container with all privileges.
func joinMounts(space int) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if err := errors.Join(unix.Setns(space, unix.CLONE_NEWNS), unix.Close(space)); err != nil {
		return err
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// This thread is locked, so another one runs the function. All other threads share
	// one root: the Go runtime starts them with CLONE_FS, and never from a locked
	// thread.
	moved := make(chan error)
	go func() { moved <- errors.Join(unix.Fchdir(root), unix.Chroot(".")) }()
	return errors.Join(<-moved, unix.Close(root))
}

// newSession moves the process to a new session, so that it has neither the terminal
// nor the process group of the builder. It then opens the terminal of the process, if any.
//
// The init process does this instead of the builder, because the kernel distributes CPU
// time among sessions (autogroups). On a busy machine, a process in a new session takes
// twice as long to reach this point.
func (c *config) newSession() error {
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	if !c.Terminal {
		return nil
	}
	if err := c.openTerminal(); err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	return nil
}

// build creates the mounts, host name and network of the container, and makes its root
// the root of this process.
func (c *config) build() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := c.mounts(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(c.Hostname)); err != nil {
		return fmt.Errorf("set the host name: %w", err)
	}
	if c.Loopback {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("start the loopback network: %w", err)
		}
	}
	return c.enter()
}

// enter makes the root of the container the root of this process, and leaves the old root.
func (c *config) enter() error {
	// An O_PATH descriptor is sufficient for fchdir.
	if err := errors.Join(unix.Fchdir(int(c.root.Fd())), c.root.Close()); err != nil {
		return err
	}
	if err := changeRoot(); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if c.ReadOnly {
		if err := restrict("/", unix.MOUNT_ATTR_RDONLY); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return nil
}

// changeRoot makes the working directory, which must be the root of a mount, the root of this
// process and of its mount namespace.
//
// pivot_root fails if the old root is an initial RAM file system, and a security module may
// forbid it. changeRoot then moves the mount over the old root. The old root remains mounted
// below it. No path leads there: the kernel resolves ".." in the root of the namespace to the
// topmost mount. Only insecure steps have the privilege to unmount the topmost one.
func changeRoot() error {
	err := unix.PivotRoot(".", ".")
	if err == nil {
		if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
			return fmt.Errorf("leave the old one: %w", err)
		}
		return nil
	}
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return err
	}
	if moveErr := unix.Mount(".", "/", "", unix.MS_MOVE, ""); moveErr != nil {
		return errors.Join(err, fmt.Errorf("move the mount: %w", moveErr))
	}
	return errors.Join(unix.Chroot("."), unix.Chdir("/"))
}
