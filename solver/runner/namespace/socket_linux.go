package namespace

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// forward makes a socket with the owner and mode of the mount, whose connections
// go to the one of the host. It is there until close is called.
func forward(socket string, m *runner.Mount) (closeAll func(), err error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Chown(socket, int(m.UID), int(m.GID)), os.Chmod(socket, tree.FileMode(m.Mode)))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return // closed
			}
			go join(conn, m.HostPath)
		}
	}()
	return func() { l.Close() }, nil
}

// join connects two sockets until both sides have said all.
func join(conn *net.UnixConn, socket string) {
	defer conn.Close()
	host, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return // the process sees that nobody answers
	}
	defer host.Close()
	var both sync.WaitGroup
	for _, pair := range [][2]*net.UnixConn{{conn, host}, {host, conn}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].CloseWrite() // fails for one who is gone
		})
	}
	both.Wait()
}
