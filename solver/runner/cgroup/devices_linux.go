package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// device identifies a character device that steps may create and open.
type device struct {
	major, minor int32 // a negative minor matches every minor number
}

// devices returns the devices that steps may open. Steps may also create device files
// for other devices, but cannot open them.
//
// Upstream: runc always allows these devices, whatever its configuration says. They
// include terminals (136:* and 5:2) and tun (10:200).
func devices() []device {
	return []device{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {10, 200}, {136, -1}}
}

// filterV1 restricts the processes in a version 1 group to the devices that steps may open. If
// a parent group denies one of these devices, the kernel does not allow the group to permit it
// (EPERM). filterV1 ignores this error, because the device is denied in any case.
func filterV1(dir string) error {
	if err := write(dir, "devices.deny", "a"); err != nil {
		return err
	}
	rules := []string{"c *:* m", "b *:* m"}
	for _, d := range devices() {
		minor := "*"
		if d.minor >= 0 {
			minor = fmt.Sprint(d.minor)
		}
		rules = append(rules, fmt.Sprintf("c %d:%s rwm", d.major, minor))
	}
	for _, r := range rules {
		if err := write(dir, "devices.allow", r); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// filterProgram loads the BPF program that allows or denies each use of a device by a
// process in a version 2 group.
func filterProgram() (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "devices", Type: ebpf.CGroupDevice, AttachType: ebpf.AttachCGroupDevice,
		License: "Apache-2.0", Instructions: filterInstructions(),
	})
}

// filterInstructions returns the BPF program of the device filter. The program receives the
// struct bpf_cgroup_dev_ctx from linux/bpf.h, which consists of three words. The first word
// contains the kind of access in its upper half and the device type in its lower half. The
// second word is the major number of the device, the third its minor number. The program
// returns 1 to allow the access and 0 to deny it.
func filterInstructions() asm.Instructions {
	const kind, access, major, minor = asm.R2, asm.R3, asm.R4, asm.R5
	list := asm.Instructions{
		asm.LoadMem(kind, asm.R1, 0, asm.Word),
		asm.Mov.Reg(access, kind),
		asm.And.Imm(kind, 0xffff),
		asm.RSh.Imm(access, 16),
		asm.LoadMem(major, asm.R1, 4, asm.Word),
		asm.LoadMem(minor, asm.R1, 8, asm.Word),
		asm.JEq.Imm(access, unix.BPF_DEVCG_ACC_MKNOD, "allow"),
		asm.JNE.Imm(kind, unix.BPF_DEVCG_DEV_CHAR, "deny"),
	}
	for i, d := range devices() {
		next := fmt.Sprintf("after-%d", i)
		list = append(list, asm.JNE.Imm(major, d.major, next))
		if d.minor >= 0 {
			list = append(list, asm.JNE.Imm(minor, d.minor, next))
		}
		list = append(list, asm.Ja.Label("allow"), asm.Mov.Imm(asm.R0, 0).WithSymbol(next))
	}
	return append(list,
		asm.Mov.Imm(asm.R0, 0).WithSymbol("deny"), asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("allow"), asm.Return())
}

// attach attaches the device filter to a version 2 group. Filters of the parent groups
// stay in effect.
func attach(program *ebpf.Program, dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = link.RawAttachProgram(link.RawAttachProgramOptions{
		Target: int(f.Fd()), Program: program, Attach: ebpf.AttachCGroupDevice, Flags: unix.BPF_F_ALLOW_MULTI,
	})
	return errors.Join(err, f.Close())
}
