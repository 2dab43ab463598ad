package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/containerd/containerd/v2/pkg/kernelversion"
)

// Start starts a command in the groups. A privileged command has no device filter. The
// calling goroutine must be locked to its thread. If Start fails, the command may run
// outside the groups, and the caller must kill it if it has a process.
//
// Moving a running process to a group takes 10 ms, because the kernel waits for all
// CPUs. The command is therefore started in its group. In version 2 the kernel supports
// that directly. In version 1 this thread enters the groups and returns afterwards.
func (g *Group) Start(cmd *exec.Cmd, privileged bool) (err error) {
	var late, visited []membership
	for _, m := range g.members(privileged) {
		switch {
		case m.h.unified && startsInGroups():
			dir, err := os.Open(m.dir)
			if err != nil {
				return fmt.Errorf("control group: %w", err)
			}
			defer dir.Close()
			cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
		case m.h.unified, m.h.own == "", write(m.dir, threads, "0") != nil:
			late = append(late, m)
		default:
			visited = append(visited, m)
		}
	}
	err = cmd.Start()
	for _, m := range visited {
		err = errors.Join(err, write(m.h.own, threads, "0"))
	}
	if err != nil {
		return err
	}
	for _, m := range late {
		if err := write(m.dir, "cgroup.procs", strconv.Itoa(cmd.Process.Pid)); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
	}
	return nil
}

// threads is the file that lists the threads of a version 1 group. Writing 0 moves the
// calling thread.
const threads = "tasks"

// members returns the groups of a process.
func (g *Group) members(privileged bool) []membership {
	first := g.filtered
	if privileged {
		first = g.privileged
	}
	if first.h == nil {
		return g.all
	}
	return append([]membership{first}, g.all...)
}

// startsInGroups reports whether the kernel can start processes in version 2 groups
// (CLONE_INTO_CGROUP).
func startsInGroups() bool {
	ok, err := kernelversion.GreaterEqualThan(kernelversion.KernelVersion{Kernel: 5, Major: 7})
	return err == nil && ok
}
