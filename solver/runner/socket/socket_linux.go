package socket

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"slipway/internal/procfd"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// Listen creates the socket for m, a mount of the kind [runner.MountSocket], and serves
// connections with m.Serve. The parameter socket is the path of the socket. The
// returned function closes the socket and all connections, and waits for m.Serve. If
// ctx ends, the connections are closed, too.
func Listen(ctx context.Context, socket string, m *runner.Mount) (stop func(), err error) {
	// The path of a socket is limited to 107 bytes, and the state directory may have a
	// longer path.
	dir, err := os.OpenFile(filepath.Dir(socket), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: procfd.Path(dir.Fd()) + "/" + filepath.Base(socket), Net: "unix"})
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the descriptor in its path may refer to another file by then
	err = errors.Join(os.Chown(socket, int(m.UID), int(m.GID)), os.Chmod(socket, tree.FileMode(m.Mode)))
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return // the listener is closed
			}
			all.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				m.Serve(ctx, conn)
			})
		}
	})
	return func() {
		cancel()
		l.Close()
		all.Wait()
	}, nil
}
