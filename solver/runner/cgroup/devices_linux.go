package cgroup

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"slipway/solver/runner"
)

// device identifies a device that steps may create and open.
type device struct {
	major, minor int32  // a negative minor matches every minor number
	block        bool   // a block device, not a character device
	access       string // as in runner.Device; "" is everything
}

// withDevices returns the devices that a step may open: those of [devices] and more.
func withDevices(more []runner.Device) []device {
	list := devices()
	for _, d := range more {
		if d.Access != "" {
			list = append(list, device{int32(d.Major), int32(d.Minor), d.Block, d.Access})
		}
	}
	return list
}

// rule returns the rule that permits a version 1 group to use the device.
func (d device) rule() string {
	kind, minor := "c", "*"
	if d.block {
		kind = "b"
	}
	if d.minor >= 0 {
		minor = fmt.Sprint(d.minor)
	}
	return fmt.Sprintf("%s %d:%s %s", kind, d.major, minor, cmp.Or(d.access, "rwm"))
}

// denied returns the kinds of access that the device does not permit, as a mask of
// BPF_DEVCG_ACC_READ and BPF_DEVCG_ACC_WRITE.
func (d device) denied() int32 {
	if d.access == "" {
		return 0
	}
	var mask int32
	if !strings.Contains(d.access, "r") {
		mask |= unix.BPF_DEVCG_ACC_READ
	}
	if !strings.Contains(d.access, "w") {
		mask |= unix.BPF_DEVCG_ACC_WRITE
	}
	return mask
}

// devices returns the character devices that all steps may open. Steps may also create device files
// for other devices, but cannot open them.
//
// Upstream: runc always allows these devices, whatever its configuration says. They
// include terminals (136:* and 5:2) and tun (10:200).
func devices() []device {
	var list []device
	for _, number := range [][2]int32{{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {10, 200}, {136, -1}} {
		list = append(list, device{major: number[0], minor: number[1]})
	}
	return list
}

// filterV1 restricts the processes in a version 1 group to the given devices. If
// a parent group denies one of these devices, the kernel does not allow the group to permit it
// (EPERM). filterV1 ignores this error, because the device is denied in any case.
func filterV1(dir string, allowed []device) error {
	if err := write(dir, "devices.deny", "a"); err != nil {
		return err
	}
	rules := []string{"c *:* m", "b *:* m"}
	for _, d := range allowed {
		rules = append(rules, d.rule())
	}
	for _, r := range rules {
		if err := write(dir, "devices.allow", r); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// filterProgram loads the BPF program that allows or denies each use of a device by a
// process in a version 2 group. The processes may use the given devices.
func filterProgram(allowed []device) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "devices", Type: ebpf.CGroupDevice, AttachType: ebpf.AttachCGroupDevice,
		License: "Apache-2.0", Instructions: filterInstructions(allowed),
	})
}

// filterInstructions returns the BPF program of the device filter. The program receives the
// struct bpf_cgroup_dev_ctx from linux/bpf.h, which consists of three words. The first word
// contains the kind of access in its upper half and the device type in its lower half. The
// second word is the major number of the device, the third its minor number. The program
// returns 1 to allow the access and 0 to deny it.
func filterInstructions(allowed []device) asm.Instructions {
	const kind, access, major, minor, rest = asm.R2, asm.R3, asm.R4, asm.R5, asm.R6
	list := asm.Instructions{
		asm.LoadMem(kind, asm.R1, 0, asm.Word),
		asm.Mov.Reg(access, kind),
		asm.And.Imm(kind, 0xffff),
		asm.RSh.Imm(access, 16),
		asm.LoadMem(major, asm.R1, 4, asm.Word),
		asm.LoadMem(minor, asm.R1, 8, asm.Word),
		asm.JEq.Imm(access, unix.BPF_DEVCG_ACC_MKNOD, "allow"),
	}
	for i, d := range allowed {
		next, class := fmt.Sprintf("after-%d", i), int32(unix.BPF_DEVCG_DEV_CHAR)
		if d.block {
			class = unix.BPF_DEVCG_DEV_BLOCK
		}
		list = append(list, asm.JNE.Imm(kind, class, next), asm.JNE.Imm(major, d.major, next))
		if d.minor >= 0 {
			list = append(list, asm.JNE.Imm(minor, d.minor, next))
		}
		if mask := d.denied(); mask != 0 {
			list = append(list, asm.Mov.Reg(rest, access), asm.And.Imm(rest, mask), asm.JNE.Imm(rest, 0, next))
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
