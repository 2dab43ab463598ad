package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/containerd/containerd/v2/pkg/kernelversion"
)

// Start starts a command in the groups. A privileged one has no device filter. The calling
// goroutine must be locked to its thread. If Start fails, the command may run outside of
// the groups: the caller must kill it if it has a process.
//
// To move a process that runs into a group takes 10 ms, as the kernel waits for all
// processors. So the command is started there: in version 2 the kernel does that by
// itself, in version 1 the thread goes to the groups and comes back.
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

// threads is the file with the threads in a group of version 1. 0 is the one that writes.
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

// startsInGroups reports whether the kernel starts processes in groups of version 2
// (CLONE_INTO_CGROUP).
func startsInGroups() bool {
	ok, err := kernelversion.GreaterEqualThan(kernelversion.KernelVersion{Kernel: 5, Major: 7})
	return err == nil && ok
}
