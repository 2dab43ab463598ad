// Package sshagent gives RUN steps access to an SSH agent of the host. Steps can use the
// agent's keys but not change the agent.
package sshagent

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// These are message types of the SSH agent protocol.
//
// See https://datatracker.ietf.org/doc/draft-ietf-sshm-ssh-agent.
const (
	failure          = 5
	list             = 11
	sign             = 13
	extension        = 27
	extensionFailure = 28

	// maxMessage is the maximum length of a message in bytes, as in OpenSSH.
	maxMessage = 256 << 10
)

// ReadOnly returns a function that gives a process access to an SSH agent. The parameter
// socket is the path of the agent's socket. The returned function serves one connection of
// the process until its context ends. The process can list keys and sign with them. The
// agent gets no other requests: they could lock it, remove its keys, or make it load
// libraries.
//
// Requests are forwarded unchanged, so that every kind of key and every flag works. The
// server in x/crypto/ssh/agent would parse the requests, and log each rejected request to
// standard error.
func ReadOnly(socket string) func(context.Context, net.Conn) {
	return func(ctx context.Context, conn net.Conn) {
		var d net.Dialer
		agent, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return // the process sees a closed connection
		}
		defer agent.Close()
		defer context.AfterFunc(ctx, func() { _ = agent.Close() })()
		for {
			request, err := readMessage(conn)
			if err != nil {
				return
			}
			reply, err := answer(agent, request)
			if err != nil {
				return
			}
			if _, err := conn.Write(reply); err != nil {
				return
			}
		}
	}
}

// answer returns the reply to a request. It forwards list and sign requests to the agent.
// The reply to other requests is a failure, as in BuildKit's clients.
func answer(agent io.ReadWriter, request []byte) ([]byte, error) {
	switch request[4] {
	case list, sign:
		if _, err := agent.Write(request); err != nil {
			return nil, err
		}
		return readMessage(agent)
	case extension:
		return []byte{0, 0, 0, 1, extensionFailure}, nil
	}
	return []byte{0, 0, 0, 1, failure}, nil
}

// readMessage reads a message of the agent protocol. The result starts with the length in
// 4 bytes, followed by the message type in one byte.
func readMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxMessage {
		return nil, fmt.Errorf("message of an SSH agent: invalid length %d (want 1 to %d)", n, maxMessage)
	}
	message := make([]byte, 4+n)
	copy(message, length[:])
	_, err := io.ReadFull(r, message[4:])
	return message, err
}
