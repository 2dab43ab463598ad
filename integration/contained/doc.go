// Package contained runs a program so that nothing of it is left behind.
//
// A builder starts containers and mounts file systems, and a test may end at
// any moment: it fails, it is interrupted, it is killed. Start therefore gives
// the program a process namespace and a mount namespace of its own. When its
// first process ends, the kernel ends every other process in there and drops
// every mount; and the kernel kills that first process when the one that
// called Start dies, however it dies.
//
// The network, the files and the users are the machine's own. It needs Linux
// and root.
package contained
