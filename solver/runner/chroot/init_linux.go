package chroot

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/runner/launch"
)

// initName is the value of os.Args[0] with which this program runs as the init process, which
// becomes the process of the step.
const initName = "slipway-chroot-init"

// initConfig is the configuration of the process of a step.
type initConfig struct {
	launch.IDs
	Args, Env []string
	Root      string // directory of the host
	Dir       string // working directory in the root, without links
	Limits    []runner.Ulimit
	Insecure  bool
	Caches    []*cacheMount
}

// runInit changes the root, the user and the limits of this process, and executes the program
// of the step. It returns only if an error occurs.
func runInit() error {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // fails only for other values
	var c initConfig
	if err := json.NewDecoder(os.NewFile(ordersFile, "config")).Decode(&c); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	// A directory that the builder inherited would be a way out of the root (CVE-2024-21626).
	err := unix.CloseRange(ordersFile, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("close inherited files: %w", err)
	}
	unix.CloseOnExec(statusFile)
	unix.Umask(0o022)                  // regardless of the builder's umask
	caps, err := defaultCapabilities() // needs the builder's /proc
	if err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	if err := errors.Join(unix.Chdir(c.Root), unix.Chroot(".")); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Chdir(c.Dir); err != nil {
		return fmt.Errorf("working directory: %w", err)
	}
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	if err := c.confine(caps); err != nil {
		return err
	}
	return launch.Exec(c.Args, c.Env)
}

// confine sets the resource limits of the process, hides the keys of the builder, drops all capabilities but caps unless the
// process is insecure, and switches to the user of the process.
func (c *initConfig) confine(caps capability.Capabilities) error {
	for _, l := range c.Limits {
		which, ok := launch.Limits()[l.Name]
		if !ok {
			return fmt.Errorf("unknown limit %s", l.Name)
		}
		if err := unix.Setrlimit(which, &unix.Rlimit{Cur: uint64(l.Soft), Max: uint64(l.Hard)}); err != nil {
			return fmt.Errorf("limit %s: %w", l.Name, err)
		}
	}
	if err := launch.NewKeyring(); err != nil {
		return fmt.Errorf("session keyring: %w", err)
	}
	if !c.Insecure {
		if err := caps.Apply(capability.CAPS | capability.BOUNDS | capability.AMBS); err != nil {
			return fmt.Errorf("drop capabilities: %w", err)
		}
	}
	if err := unix.Setgroups(c.Groups); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := errors.Join(unix.Setresgid(c.GID, c.GID, c.GID), unix.Setresuid(c.UID, c.UID, c.UID)); err != nil {
		return fmt.Errorf("run as %d:%d: %w", c.UID, c.GID, err)
	}
	// After switching users, because that resets the setting.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("die with the supervisor: %w", err)
	}
	return nil
}

// withheld returns the default capabilities of containers that a step does not have. With
// CAP_SYS_CHROOT, it could leave its root, and with CAP_MKNOD, open the disks of a machine. The
// kernel also forbids a process to read the memory of one with more capabilities, so the
// step cannot trace the builder or its supervisor.
func withheld() []capability.Cap {
	return []capability.Cap{capability.CAP_SYS_CHROOT, capability.CAP_MKNOD}
}

// defaultCapabilities returns the capabilities of this process that containers have by default,
// except for those in withheld.
func defaultCapabilities() (capability.Capabilities, error) {
	caps, err := capability.NewPid2(0)
	if err == nil {
		err = caps.Load()
	}
	if err != nil {
		return nil, err
	}
	var left []capability.Cap
	for _, c := range launch.DefaultCapabilities() {
		if caps.Get(capability.PERMITTED, c) && !slices.Contains(withheld(), c) {
			left = append(left, c)
		}
	}
	caps.Clear(capability.CAPS | capability.BOUNDS | capability.AMBS)
	caps.Set(capability.BOUNDS|capability.EFFECTIVE|capability.PERMITTED, left...)
	_, err = capability.LastCap() // the package reads it once
	return caps, err
}
