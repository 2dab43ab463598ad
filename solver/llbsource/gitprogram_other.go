//go:build !linux

package llbsource

import (
	"context"
	"os/exec"
)

// runProgram runs a command. If ctx ends, it kills the command.
func runProgram(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	return cmd.Wait()
}
