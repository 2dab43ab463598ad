package namespace

import (
	"errors"
	"io"
	"net"
	"os"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// forward makes a socket with the owner and mode of the mount, whose connections
// go to the one of the host. It is there until close is called.
func forward(socket string, m *runner.Mount) (closeAll func(), err error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	err = errors.Join(os.Chown(socket, int(m.UID), int(m.GID)), os.Chmod(socket, tree.FileMode(m.Mode)))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go join(conn, m.HostPath)
		}
	}()
	return func() { l.Close() }, nil
}

// join connects two sockets until one of them is closed.
func join(conn net.Conn, socket string) {
	defer conn.Close()
	host, err := net.Dial("unix", socket)
	if err != nil {
		return // the process sees that nobody answers
	}
	defer host.Close()
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{conn, host}, {host, conn}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}
