//go:build linux

package main

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"sync"
)

// agent is a fake SSH agent without keys. It accepts all messages and records their types, so
// that a probe shows which messages a RUN step can send. Safe for concurrent use.
type agent struct {
	path     string
	listener net.Listener

	mu    sync.Mutex
	types []byte // types of the received messages, in order
}

func newAgent(path string) (*agent, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	a := &agent{path: path, listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go a.serve(conn)
		}
	}()
	return a, os.Chmod(path, 0o666)
}

// takeTypes returns the message types received since the last call, sorted and without
// duplicates.
func (a *agent) takeTypes() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	types := a.types
	a.types = nil
	slices.Sort(types)
	return slices.Compact(types)
}

// serve answers the messages on conn until the client closes it.
func (a *agent) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size uint32
		if binary.Read(conn, binary.BigEndian, &size) != nil || size == 0 || size > 1<<16 {
			return
		}
		message := make([]byte, size)
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		a.mu.Lock()
		a.types = append(a.types, message[0])
		a.mu.Unlock()
		answer := []byte{0, 0, 0, 1, 6} // SSH_AGENT_SUCCESS
		if message[0] == 11 {
			answer = []byte{0, 0, 0, 5, 12, 0, 0, 0, 0} // an empty list of keys
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
