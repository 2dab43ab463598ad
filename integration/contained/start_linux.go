package contained

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts cmd. Its output, environment and folder are as set in cmd, whose
// SysProcAttr must be nil.
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	// /proc must show the new process namespace: runc and the builder look
	// processes up there. It can only be mounted from inside.
	args := append([]string{"sh", "-c", `mount -t proc proc /proc && exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	sh, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	cmd.Path, cmd.Args = sh, args
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID,
		// Unsharing, other than cloning, makes the runtime turn mounts private,
		// so that none of them shows outside.
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		// A group of its own: an interrupt from the terminal goes to the caller,
		// who decides in which order things end.
		Setpgid: true,
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig means the death of the thread that started the process, so
		// this thread has to live as long. It is never unlocked.
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
