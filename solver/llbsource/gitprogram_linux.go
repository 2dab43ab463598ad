package llbsource

import (
	"context"
	"os/exec"
	"runtime"
	"syscall"
)

// runProgram runs a command. If ctx ends, it kills the command with the processes that the command
// has started. The command also ends with this process.
func runProgram(ctx context.Context, cmd *exec.Cmd) error {
	runtime.LockOSThread() // the signal is sent when the thread ends
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	return cmd.Wait()
}
