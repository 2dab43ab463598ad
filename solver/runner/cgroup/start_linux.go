package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/containerd/containerd/v2/pkg/kernelversion"
	"golang.org/x/sys/unix"
)

// Start starts a command in the groups. If privileged is set, no device filter applies
// to the command. The calling goroutine must be locked to its thread. If Start fails,
// the command may run outside the groups: if cmd.Process is not nil, the caller must
// kill it.
//
// Moving a running process to a group takes about 10 ms, because the kernel waits for
// all CPUs. Start avoids that by creating the process in its group. Version 2 supports
// this directly (CLONE_INTO_CGROUP). In version 1, the calling thread enters the
// groups, starts the command and moves back. The first thread of this process never
// enters other groups, because other goroutines read its groups in /proc/self/cgroup.
func (g *Group) Start(cmd *exec.Cmd, privileged bool) (err error) {
	var moves []membership   // groups to which the process must be moved after its start
	var entered []membership // groups that this thread has entered
	for _, m := range g.members(privileged) {
		switch {
		case m.h.unified && startsInGroups():
			dir, err := os.Open(m.dir)
			if err != nil {
				return fmt.Errorf("control group: %w", err)
			}
			defer dir.Close()
			cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
		case m.h.unified, m.h.own == "", unix.Gettid() == os.Getpid(), write(m.dir, tasksFile, "0") != nil:
			moves = append(moves, m)
		default:
			entered = append(entered, m)
		}
	}
	err = cmd.Start()
	for _, m := range entered {
		err = errors.Join(err, write(m.h.own, tasksFile, "0"))
	}
	if err != nil {
		return err
	}
	for _, m := range moves {
		if err := write(m.dir, "cgroup.procs", strconv.Itoa(cmd.Process.Pid)); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
	}
	return nil
}

// tasksFile is the control file that lists the threads of a version 1 group. A thread
// that writes 0 to it enters the group.
const tasksFile = "tasks"

// members returns the groups that a process of the step must enter. If privileged is
// set, they do not include the group with the device filter.
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

// startsInGroups reports whether the kernel can create a process in a version 2 group
// (CLONE_INTO_CGROUP, Linux 5.7).
func startsInGroups() bool {
	ok, err := kernelversion.GreaterEqualThan(kernelversion.KernelVersion{Kernel: 5, Major: 7})
	return err == nil && ok
}
