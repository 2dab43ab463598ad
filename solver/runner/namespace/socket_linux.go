package namespace

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"slipway/solver/runner"
	"slipway/solver/tree"
)

// listen makes a socket with the owner and mode of m, whose connections m.Serve
// answers. stop closes the socket and all connections.
func listen(ctx context.Context, socket string, m *runner.Mount) (stop func(), err error) {
	// The kernel takes no address of more than 107 bytes. A state directory may be deep.
	dir, err := os.OpenFile(filepath.Dir(socket), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fdPath(dir) + "/" + filepath.Base(socket), Net: "unix"})
	if err = errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the descriptor in its name may be another file by then
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
				return // closed
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
