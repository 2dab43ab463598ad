package inprocess

import "golang.org/x/sys/unix"

// exchange swaps two files or directories, so that neither path is missing at any
// time.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}
