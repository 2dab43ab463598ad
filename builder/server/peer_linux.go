package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// peerUser returns the ID of the user who connected to a unix socket. It returns false if the ID
// is unknown.
func peerUser(conn *net.UnixConn) (uid uint32, ok bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	controlled := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if controlled != nil || err != nil {
		return 0, false
	}
	return cred.Uid, true
}
