// Package connserver implements a network server for tests of clients.
package connserver

import (
	"net"
	"testing"
)

// Serve listens on an address, as [net.Listen] does, until the test ends. It handles each
// connection with the given function in a separate goroutine, and closes the connection after
// the function has returned. The result is the address. If the port in the parameter address is
// 0, the result contains the port that the system chose.
func Serve(t testing.TB, network, address string, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}
