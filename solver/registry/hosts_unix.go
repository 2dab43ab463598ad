//go:build !windows

package registry

import "syscall"

const errNotDir = syscall.ENOTDIR
