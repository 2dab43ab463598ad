// Package contained runs a program such that no process or mount outlives it.
//
// A builder starts containers and mounts filesystems, and a test may end at any
// time: it fails, is interrupted, or is killed. Start therefore creates a PID
// namespace and a mount namespace for the program. When its first process
// exits, the kernel kills every other process in the namespace and removes
// every mount. The kernel also kills the first process if the process that
// called Start dies for any reason.
//
// Network, files and users belong to the host. The package needs Linux and
// root.
package contained
