package namespace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// initName is what this program is called when it is the init process.
const initName = "slipway-init"

// start runs the process and returns its exit code.
func (c *container) start(ctx context.Context) (int, error) {
	confR, confW, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer confR.Close()
	faultR, faultW, err := os.Pipe()
	if err != nil {
		return 0, errors.Join(err, confW.Close())
	}
	defer faultR.Close()
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{initName}
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.p.Stdin, c.p.Stdout, c.p.Stderr
	cmd.ExtraFiles = []*os.File{confR, faultW}
	flags := syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	if c.conf.Loopback {
		flags |= syscall.CLONE_NEWNET
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: uintptr(flags), Pdeathsig: syscall.SIGKILL}
	// The process is killed when the thread ends that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, errors.Join(fmt.Errorf("start a process in namespaces: %w", err), confW.Close(), faultW.Close())
	}
	faultW.Close()
	sent := json.NewEncoder(confW).Encode(&c.conf)
	sent = errors.Join(sent, confW.Close())
	fault, readErr := io.ReadAll(faultR) // ends when the process starts, or fails to
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case len(fault) > 0:
		return 0, errors.New(string(fault))
	case errors.Join(sent, readErr) != nil:
		return 0, errors.Join(sent, readErr)
	}
	return exitCode(err)
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &exit) {
		return 0, err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}
