// Package fakeagent implements an SSH agent for tests.
package fakeagent

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh/agent"

	"slipway/internal/connserver"
)

// Serve starts an SSH agent that serves a private key until the test ends. It returns the path
// of the agent's socket.
func Serve(t testing.TB, key any) string {
	t.Helper()
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	return connserver.Serve(t, "unix", filepath.Join(t.TempDir(), "agent"), func(c net.Conn) {
		_ = agent.ServeAgent(ring, c) // returns when the client closes the connection
	})
}
