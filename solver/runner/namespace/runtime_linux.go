package namespace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
	"slipway/solver/runner/launch"
	"slipway/solver/runner/oci"
)

// runtimeConfig is the configuration that the init process needs to execute an OCI
// runtime.
type runtimeConfig struct {
	Runtime       oci.Runtime
	Files         oci.Files
	UserNamespace bool           // the runtime runs in a user namespace
	Spec          *specs.Spec    // the container and its first process; nil for a process that joins
	Process       *specs.Process // a process that joins; nil for the first process
}

// runtimePath is the environment variable PATH with which OCI runtimes are executed.
const runtimePath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// becomeRuntime prepares the container for the OCI runtime and executes the runtime in
// this process. It returns only if an error occurs.
func (c *config) becomeRuntime() error {
	if hasOneUser() && (c.UID != 0 || c.GID != 0) {
		return c.userError()
	}
	describe := c.describeProcess
	if !c.Join {
		describe = c.describeContainer
	}
	if err := describe(); err != nil {
		return err
	}
	if !c.Join { // see makeDir
		if err := c.makeRootDir(); err != nil {
			return fmt.Errorf("working directory: %w", err)
		}
	}
	if err := c.newSession(); err != nil {
		return err
	}
	if err := dieWithParent(); err != nil {
		return err
	}
	args := c.OCI.Runtime.Args(&c.OCI.Files, c.OCI.UserNamespace)
	return fmt.Errorf("exec %s: %w", args[0], syscall.Exec(args[0], args, []string{runtimePath}))
}

// describeContainer mounts the root of the container, prepares its other mounts in the
// private directory, and writes config.json for the runtime.
func (c *config) describeContainer() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := c.runtimeSystem(); err != nil {
		return err
	}
	if err := c.makePrivate(); err != nil {
		return fmt.Errorf("make a private directory: %w", err)
	}
	if err := c.mountRoot(&c.Mounts[0]); err != nil {
		return fmt.Errorf("mount /: %w", err)
	}
	if err := c.checkSystemDirs(); err != nil {
		return err
	}
	for i := range c.OCI.Spec.Mounts {
		m := &c.OCI.Spec.Mounts[i]
		if n, ok := oci.MountNumber(m); ok {
			if err := c.prepare(&c.Mounts[n], m); err != nil {
				return fmt.Errorf("mount %s: %w", m.Destination, err)
			}
		}
	}
	return writeJSON(filepath.Join(c.OCI.Files.Bundle, "config.json"), c.OCI.Spec)
}

// runtimeSystem mounts a /proc for the PID namespace of the OCI runtime. In a user
// namespace it also hides /sys/fs/cgroup from crun, which rejects some layouts of
// control groups even if the container uses none.
func (c *config) runtimeSystem() error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc for the runtime: %w", err)
	}
	if !c.OCI.UserNamespace || c.OCI.Runtime.Name() != "crun" {
		return nil
	}
	err := unix.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", unix.MS_RDONLY, "size=0")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hide control groups: %w", err)
	}
	return nil
}

// checkSystemDirs returns an error if the root has a link or a file in place of a
// directory for a system mount, or if a mount is in /proc. Not every runtime rejects
// such a root or mount.
func (c *config) checkSystemDirs() error {
	for _, s := range c.systemMounts() {
		if slices.ContainsFunc(c.Mounts, func(m mount) bool { return m.Target == "/"+s.name }) || strings.Contains(s.name, "/") {
			continue // a mount replaces it, or its parent is checked
		}
		at, err := c.mkdirAll(s.name)
		if err != nil {
			return s.failure(err)
		}
		at.Close()
	}
	for _, m := range c.Mounts {
		if strings.HasPrefix(m.Target+"/", "/proc/") && !slices.Contains(replaceableFiles(), m.Target) {
			return fmt.Errorf("mount %s: %w", m.Target, errInProc)
		}
	}
	return nil
}

// prepare mounts the source of the mount m in the private directory. The parameter to is the
// entry for m in the runtime's spec. prepare changes this entry, so that the runtime
// bind-mounts the source from the private directory. The changed entry lists all flags of the
// mount, such as ro and nosuid, because a runtime clears the flags that are not listed.
func (c *config) prepare(m *mount, to *specs.Mount) error {
	src, err := c.source(m)
	if err != nil {
		return err
	}
	defer src.Close()
	if to.Source, err = c.stage(procfd.Path(src.Fd()), c.restrictions(m)); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(to.Source, &st); err != nil {
		return err
	}
	for _, f := range []struct {
		flag uint64
		name string
	}{{unix.ST_RDONLY, "ro"}, {unix.ST_NOSUID, "nosuid"}, {unix.ST_NODEV, "nodev"}, {unix.ST_NOEXEC, "noexec"}} {
		if uint64(st.Flags)&f.flag != 0 {
			to.Options = append(to.Options, f.name)
		}
	}
	return nil
}

// describeProcess writes the runtime's configuration for a process that joins the
// container.
func (c *config) describeProcess() error {
	return writeJSON(c.OCI.Files.Process, c.OCI.Process)
}

// writeJSON writes a value to a file as JSON. Only the owner can read the file.
func writeJSON(file string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// makeRootDir creates the working directory and its missing parents in the root, with the user
// of the process as their owner. If the path leads into another mount, makeRootDir does not
// see the directories in that mount, because the runtime creates these mounts later. BuildKit
// does the same.
func (c *config) makeRootDir() error {
	root, err := os.OpenFile(c.Root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer root.Close()
	for i := range len(c.Dir) + 1 {
		if i == 0 || i < len(c.Dir) && c.Dir[i] != '/' {
			continue
		}
		if err := c.makeIn(root, c.Dir[:i]); err != nil {
			return err
		}
	}
	return nil
}

// makeIn creates a directory in the root, with the user of the process as its owner.
// The parameter name is the path of the directory, whose parent must exist. If the path
// exists already, makeIn does nothing.
func (c *config) makeIn(root *os.File, name string) error {
	f, err := openInRoot(root, name)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil //nolint:nilerr // the runtime reports the error
	}
	parent, err := openInRoot(root, path.Dir(name))
	if err != nil {
		return err
	}
	f, err = makeDirIn(parent, path.Base(name))
	if err = errors.Join(err, parent.Close()); err != nil {
		return err
	}
	return errors.Join(unix.Fchownat(int(f.Fd()), "", c.UID, c.GID, unix.AT_EMPTY_PATH), f.Close())
}

// runtimeConfig returns the configuration with which the init process starts the process x in
// an OCI runtime: the runtime, the paths of its files, and the spec of the container or of the
// process.
func (x *process) runtimeConfig() (*runtimeConfig, error) {
	c := x.c
	dir := c.conf.Private
	rt := &runtimeConfig{Runtime: c.r.runtime, UserNamespace: c.r.userNamespace}
	c.processes++
	number := strconv.Itoa(c.processes)
	rt.Files = oci.Files{
		Bundle: dir, State: filepath.Join(dir, "state"),
		Log: filepath.Join(c.work, "log-"+number), PID: filepath.Join(c.work, "pid-"+number),
	}
	p := &oci.Process{
		Args: x.p.Args, Env: launch.Environ(x.conf.Env, x.conf.Home), Dir: x.p.Dir, UID: x.conf.UID, GID: x.conf.GID, Groups: x.conf.Groups,
		Terminal: x.p.Terminal, Insecure: x.p.Insecure,
	}
	for _, l := range x.conf.Limits {
		if _, ok := launch.Limits()[l.Name]; !ok {
			return nil, fmt.Errorf("unknown limit %s", l.Name)
		}
		p.Limits = append(p.Limits, oci.Limit(l))
	}
	var err error
	if x.conf.Join {
		rt.Files.Process = filepath.Join(dir, "process-"+number)
		rt.Process, err = oci.ProcessSpec(c.spec, p)
		return rt, err
	}
	c.spec, err = c.runtimeSpec(p)
	rt.Spec = c.spec
	return rt, err
}

// runtimeSpec returns the spec of the container and its first process. The sources of
// its mounts are numbers, which the init process replaces with paths.
func (c *container) runtimeSpec(p *oci.Process) (*specs.Spec, error) {
	desc := &oci.Container{
		Root: c.conf.Root, ReadOnly: c.conf.ReadOnly, Hostname: c.conf.Hostname, OwnNetwork: c.conf.Loopback,
		Hosts: filepath.Join(c.work, "hosts"), Resolv: filepath.Join(c.work, "resolv.conf"),
		Cgroup: c.r.groups.Path(filepath.Base(c.work)), Resources: c.box.Resources, Devices: c.box.Devices,
		UserNamespace: c.r.userNamespace, OneUser: c.r.oneOwner,
	}
	for i, m := range c.conf.Mounts {
		if i > 0 && m.Bind != desc.Hosts && m.Bind != desc.Resolv {
			desc.Mounts = append(desc.Mounts, oci.Mount{Target: m.Target, Number: i, Tmpfs: m.Tmpfs, Size: m.Size})
		}
	}
	return oci.Spec(c.ctx, desc, p)
}

// runtimeError returns an error if the exit code comes not from the process, but from an OCI
// runtime that failed to start the process. The error is read from the runtime's log. If the
// code comes from the process, or if no OCI runtime is used, runtimeError returns nil.
func (x *process) runtimeError(code int) error {
	if x.conf.OCI == nil || code == 0 {
		return nil
	}
	log, err := os.ReadFile(x.conf.OCI.Files.Log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return oci.Failure(log)
}

// awaitRuntime waits until the OCI runtime has started the process. The runtime reports
// this by writing a PID file to the directory of the container. If the runtime ends
// without writing the file, awaitRuntime returns an error.
func (x *process) awaitRuntime() error {
	watch, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("watch the runtime: %w", err)
	}
	defer unix.Close(watch)
	if _, err := unix.InotifyAddWatch(watch, x.c.work, unix.IN_CLOSE_WRITE|unix.IN_MOVED_TO); err != nil {
		return fmt.Errorf("watch the runtime: %w", err)
	}
	for ended := false; !ended; {
		if data, err := os.ReadFile(x.conf.OCI.Files.PID); err == nil && len(data) > 0 {
			return nil
		}
		var failed error
		err := x.cmd.Process.WithHandle(func(pidfd uintptr) {
			files := []unix.PollFd{{Fd: int32(watch), Events: unix.POLLIN}, {Fd: int32(pidfd), Events: unix.POLLIN}}
			if _, failed = unix.Poll(files, -1); errors.Is(failed, unix.EINTR) {
				failed = nil
			}
			ended = files[1].Revents != 0
		})
		if err := errors.Join(err, failed); err != nil {
			return fmt.Errorf("watch the runtime: %w", err)
		}
		_, _ = unix.Read(watch, make([]byte, 4096))
	}
	return x.runtimeError(-1)
}

// killJoined kills a process that the runtime has started in the container. The runtime
// itself cannot forward SIGKILL to the process.
func (x *process) killJoined() error {
	list, err := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range list {
		pid, convErr := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if convErr != nil || parent(file) != x.cmd.Process.Pid {
			continue
		}
		fd, openErr := unix.PidfdOpen(pid, 0)
		if openErr != nil {
			continue // the process has ended
		}
		if parent(file) == x.cmd.Process.Pid {
			err = errors.Join(err, unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0))
		}
		unix.Close(fd)
	}
	return err
}

// parent returns the PID of a process's parent. The parameter file is the path of the file
// /proc/PID/stat of the process. If the process has ended, parent returns 0.
func parent(file string) int {
	data, _ := os.ReadFile(file)
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}

// exit returns nil if the exit code of the process means success, and otherwise an error that
// contains the code. If the kernel killed a process because of the memory limit, the error
// also mentions the limit. If a program was not allowed to use a port, the error says what to install.
func (x *process) exit(code int) error {
	err := x.p.Exit(code)
	if err != nil && x.c.groups.OutOfMemory() {
		return fmt.Errorf("%w: %w (the step reached the memory limit of its control group)", err, unix.ENOMEM)
	}
	if err != nil && x.ports != nil && x.ports.end() {
		return fmt.Errorf("%w (a step of an ordinary user can use ports below 1024 only in a network of its own: install %s, which needs %s)", err, connectorName, tunDevice)
	}
	return err
}
