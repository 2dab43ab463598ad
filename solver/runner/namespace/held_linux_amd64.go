package namespace

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// isMounted reports whether a file system with the given device number exists, even if
// it is mounted nowhere. The system call (ustat) takes about a microsecond.
func isMounted(dev uint64) bool {
	var stat struct { // struct ustat
		_ int32
		_ uint64
		_ [12]byte
	}
	_, _, errno := unix.Syscall(unix.SYS_USTAT, uintptr(dev), uintptr(unsafe.Pointer(&stat)), 0)
	return errno == 0
}
