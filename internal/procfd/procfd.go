// Package procfd returns paths of open files of this process, for system calls that take a
// path.
package procfd

import "strconv"

// Path returns a path of an open file on Linux. The path refers to the open file even if
// another process renames or replaces the file.
func Path(fd uintptr) string { return "/proc/self/fd/" + strconv.FormatUint(uint64(fd), 10) }
