package namespace

import (
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
)

// missingVar is the environment variable that makes system calls fail in this program and
// its children, see missingCalls.
const missingVar = "SLIPWAY_TEST_MISSING_CALLS"

// missingCalls returns the system calls that fail if the value of missingVar is name, and their
// error. Kernels before Linux 5.6 lack the calls "new". A security module may forbid the call
// "pivot".
func missingCalls(name string) ([]uint32, unix.Errno) {
	switch name {
	case "new":
		return []uint32{unix.SYS_MOUNT_SETATTR, unix.SYS_OPENAT2}, unix.ENOSYS
	case "pivot":
		return []uint32{unix.SYS_PIVOT_ROOT}, unix.EPERM
	}
	return nil, 0
}

// forbidCalls makes the system calls fail that the environment variable missingVar selects.
func forbidCalls() error {
	calls, err := missingCalls(os.Getenv(missingVar))
	if len(calls) == 0 {
		return nil
	}
	const number = 0 // offset of the number of the call
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for i, call := range calls {
		skipped := uint8(len(calls) - i) // instructions before the last one
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jt: skipped})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(err)})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// rerun runs tests again in a process in which system calls fail, see missingCalls. This
// requires root, because other users cannot install the seccomp filter.
func rerun(t *testing.T, missing, tests string) {
	t.Helper()
	slowtest.Skip(t, "starts many processes")
	if isRootless(t) {
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", tests)
	cmd.Env = append(os.Environ(), missingVar+"="+missing)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestOldKernel runs the tests of mounts again in a process that behaves as on a kernel
// before Linux 5.6.
func TestOldKernel(t *testing.T) {
	rerun(t, "new", "^Test(DevicesOfCaches|Mounts|MountOverDev|MountDirSource|MountsInProc|Masks|System|SystemDirectories|FileMounts|HostDevices)$")
}

// TestNoPivot runs tests again in a process that may not call pivot_root, as on an initial RAM
// file system.
func TestNoPivot(t *testing.T) {
	rerun(t, "pivot", "^Test(Mounts|MountOverDev|MountsInProc|Masks|System|SystemDirectories|RootMode|Container|ThreadRoots|LeaveRoot)$")
}

// TestLeaveRoot checks that a step with CAP_SYS_CHROOT cannot leave its root by a second chroot.
func TestLeaveRoot(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/perl", "/usr/bin/perl")
	w.write(t, "below/f", 0o644, nil)
	out, _ := w.run(t, w.process(`perl -e 'chroot "below" or die "chroot: $!"; chdir ".." for 1..50; chroot "." or die "chroot: $!"; print -e "`+t.TempDir()+`" ? "outside" : -e "/below/f" ? "inside" : "nowhere"'`))
	if out != "inside" {
		t.Errorf("the step is %s, want that it stays inside its root", out)
	}
}
