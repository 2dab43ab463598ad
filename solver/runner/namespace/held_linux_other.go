//go:build linux && !amd64

package namespace

// isMounted returns false, because most architectures other than amd64 lack the system
// call ustat.
func isMounted(uint64) bool { return false }
