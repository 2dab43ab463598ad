// Package connserver accepts connections in tests of clients.
package connserver

import (
	"net"
	"testing"
)

// Serve listens on an address, as [net.Listen] does, and calls handle for each connection in
// a goroutine of its own, until the test ends. A connection is closed after handle has
// returned. Serve returns the address: with port 0, it contains the chosen port.
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
