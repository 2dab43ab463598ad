package bridge

import (
	"net"
	"sync"
)

// listener is a [net.Listener] that accepts a single connection. When this connection
// is closed, the listener is closed, too.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
	addr  net.Addr
}

func newListener(conn net.Conn) *listener {
	l := &listener{conns: make(chan net.Conn, 1), done: make(chan struct{}), addr: conn.LocalAddr()}
	l.close = sync.OnceFunc(func() { close(l.done) })
	l.conns <- closer{conn, l.close}
	return l
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.close()
	return nil
}

// Addr implements [net.Listener].
func (l *listener) Addr() net.Addr { return l.addr }

// closer is a connection that calls the function closed when the connection is closed.
type closer struct {
	net.Conn
	closed func()
}

// Close implements [net.Conn].
func (c closer) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
