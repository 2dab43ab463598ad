package namespace

import (
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
)

// oldKernelVar is the environment variable that makes this program and its children
// behave as on a kernel before Linux 5.6.
const oldKernelVar = "SLIPWAY_TEST_OLD_KERNEL"

// emulateOldKernel makes the system calls openat2 and mount_setattr fail with ENOSYS in
// this process, as on older kernels.
func emulateOldKernel() error {
	if os.Getenv(oldKernelVar) == "" {
		return nil
	}
	const number = 0 // offset of the number of the call
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_MOUNT_SETATTR, Jt: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_OPENAT2, Jt: 1},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// TestOldKernel runs the tests of mounts again in a process that behaves as on a kernel
// before Linux 5.6. This requires root, because other users cannot install the seccomp
// filter.
func TestOldKernel(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	if isRootless(t) {
		return
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run", "^Test(DevicesOfCaches|Mounts|MountOverDev|MountDirSource|MountsInProc|Masks|System|SystemDirectories|FileMounts|HostDevices)$")
	cmd.Env = append(os.Environ(), oldKernelVar+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
