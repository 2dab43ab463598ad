package namespace

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"slipway/solver/runner/launch"
)

// confine sets the resource limits of the process, switches to its user, and drops the
// privileges and system calls that it does not need.
func (c *config) confine() error {
	for _, l := range c.Limits {
		which, ok := launch.Limits()[l.Name]
		if !ok {
			return fmt.Errorf("unknown limit %s", l.Name)
		}
		if err := unix.Setrlimit(which, &unix.Rlimit{Cur: uint64(l.Soft), Max: uint64(l.Hard)}); err != nil {
			return fmt.Errorf("limit %s: %w", l.Name, err)
		}
	}
	if err := launch.NewKeyring(); err != nil && c.Insecure {
		return fmt.Errorf("session keyring: %w", err)
	}
	if !c.Insecure {
		if err := c.dropPrivileges(); err != nil {
			return err
		}
	}
	return c.switchUser()
}

// switchUser switches to the user and groups of the process. In a user namespace that
// maps only root, setting groups fails. This is not an error, because no other groups
// exist in that namespace.
func (c *config) switchUser() error {
	if err := unix.Setgroups(c.Groups); err != nil && !hasOneUser() {
		return fmt.Errorf("set groups: %w", err)
	}
	err := setID(unix.SYS_SETRESGID, unix.Setresgid, c.GID)
	if err == nil {
		err = setID(unix.SYS_SETRESUID, unix.Setresuid, c.UID)
	}
	if err != nil && hasOneUser() {
		return c.userError()
	}
	if err != nil {
		return fmt.Errorf("run as %d:%d: %w", c.UID, c.GID, err)
	}
	return dieWithParent()
}

// setID sets the user or group IDs of this thread by a system call (setresuid or
// setresgid). It avoids allThreads, the function of package unix that sets the IDs of
// all threads, because stopping every thread takes longer than mounting the root. The
// other threads end anyway when the program is executed. On 32-bit machines the system
// call takes 16-bit IDs, so setID calls allThreads instead.
func setID(call uintptr, allThreads func(r, e, s int) error, id int) error {
	if strconv.IntSize == 32 {
		return allThreads(id, id, id)
	}
	if _, _, errno := unix.RawSyscall(call, uintptr(id), uintptr(id), uintptr(id)); errno != 0 {
		return errno
	}
	return nil
}

// userError returns the error for a process that cannot run as a user other than root,
// because its user namespace maps only root.
func (c *config) userError() error {
	return fmt.Errorf("run as %d:%d: the user namespace has no user but root (install newuidmap and add ranges to /etc/subuid and /etc/subgid)", c.UID, c.GID)
}

// dieWithParent makes the kernel kill this process when its parent ends. Call it after
// switching users, because that resets the setting.
func dieWithParent() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the builder: %w", err)
	}
	// If the parent has already ended, the pipe for errors has no reader.
	poll := []unix.PollFd{{Fd: errorFile}}
	if _, err := unix.Poll(poll, 0); err == nil && poll[0].Revents&unix.POLLERR != 0 {
		return errors.New("the builder has ended")
	}
	return nil
}

// dropPrivileges installs the seccomp filter and drops all but the default
// capabilities. If the user is not root, the kernel also drops the default capabilities
// when the program is executed.
//
// Programs that the process executes may gain privileges, because no_new_privs is not
// set, as in BuildKit. Images with other users depend on su, sudo, setuid programs and
// file capabilities. These programs cannot gain more than the default capabilities.
// Without no_new_privs, the kernel requires CAP_SYS_ADMIN to install a filter, so the
// filter is installed first.
func (c *config) dropPrivileges() error {
	if err := installFilter(c.Filter); err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	caps, err := capability.NewPid2(0)
	if err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	caps.Set(capability.BOUNDS|capability.EFFECTIVE|capability.PERMITTED, launch.DefaultCapabilities()...)
	if err := caps.Apply(capability.CAPS | capability.BOUNDS | capability.AMBS); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
