// Package sshagent lets RUN steps use an SSH agent of the host without letting them
// change it.
package sshagent

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Types of messages: https://datatracker.ietf.org/doc/draft-ietf-sshm-ssh-agent
const (
	failure          = 5
	list             = 11
	sign             = 13
	extension        = 27
	extensionFailure = 28

	// maxMessage is the limit of OpenSSH.
	maxMessage = 256 << 10
)

// ReadOnly returns a function that lets a process list the keys of the SSH
// agent at socket and sign with them. Nothing else reaches the agent: a process
// could otherwise lock it, remove its keys, or have it load libraries.
//
// Requests are passed on as they are, so that every kind of key and every flag
// works. The server of x/crypto/ssh/agent would parse them, and logs each request
// that is refused to standard error.
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

// answer returns the answer to a request: the agent's if it is harmless, and
// otherwise a failure, as BuildKit's clients answer it.
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

// readMessage reads a message with its length, which is 4 bytes long. The
// fifth byte is its type.
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
