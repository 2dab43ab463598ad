package contained

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts cmd with its output, environment and directory. cmd.SysProcAttr
// must be nil.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	// /proc must show the new PID namespace, because runc and the builder look
	// up processes there. It can only be mounted from inside.
	args := append([]string{"sh", "-c", `mount -t proc proc /proc && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	sh, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	cmd.Path, cmd.Args = sh, args
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID,
		// Unlike clone, unshare makes the runtime set mount propagation to
		// private, so that no mount is visible outside.
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		// Use a separate process group: an interrupt from the terminal is sent
		// to the caller, which decides in which order things end.
		Setpgid: true,
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig is sent when the thread that started the process exits, so
		// this thread must stay alive. It is never unlocked.
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
			return nil, fmt.Errorf("start %s in namespaces of its own: %w (this needs root)", args[4], err)
		}
		return nil, err
	}
	return p, nil
}
