// Package contained runs a program so that no process or mount outlives it.
//
// A builder starts containers and mounts filesystems. A test may fail, be interrupted or be
// killed before it cleans up. Start therefore creates a PID namespace and a mount namespace for
// the program. When the first process in the namespace exits, the kernel kills all other
// processes in it and removes every mount. The kernel also kills the first process if the
// process that called Start dies for any reason.
//
// The program uses the network, the files and the users of the host. The package needs Linux
// and root.
package contained
