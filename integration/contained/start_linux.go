package contained

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts cmd in new PID and mount namespaces. cmd.SysProcAttr must be nil.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	// Mount a /proc that shows the new PID namespace: runc and the builder look up their
	// processes in it. This is possible only inside the namespace.
	args := append([]string{"sh", "-c", `mount -t proc proc /proc && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	sh, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	cmd.Path, cmd.Args = sh, args
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID,
		// Unlike clone, unshare lets the Go runtime make mount propagation private, so that no
		// mount is visible outside.
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		// With a process group of its own, the program gets no interrupt from the terminal.
		// The caller gets it and decides in which order to stop things.
		Setpgid: true,
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the process exits
		// (prctl(2)), so this thread must stay alive. It is never unlocked.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		if errors.Is(err, syscall.EPERM) {
			return nil, fmt.Errorf("start %s in new namespaces: %w (requires root)", args[4], err)
		}
		return nil, err
	}
	return p, nil
}
