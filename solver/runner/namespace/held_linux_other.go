//go:build linux && !amd64

package namespace

// isMounted returns false. Most other architectures lack the system call ustat.
func isMounted(uint64) bool { return false }
