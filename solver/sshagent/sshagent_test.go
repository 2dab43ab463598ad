package sshagent

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"slipway/internal/fakeagent"
)

// dial starts ReadOnly for an SSH agent, and returns the connection that a process would
// use. The parameter socket is the path of the agent's socket. dial also returns a channel
// that is closed when ReadOnly returns.
func dial(ctx context.Context, t *testing.T, socket string) (net.Conn, <-chan struct{}) {
	t.Helper()
	process, conn := net.Pipe()
	t.Cleanup(func() { process.Close() })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer conn.Close()
		ReadOnly(socket)(ctx, conn)
	}()
	return process, ended
}

// TestAgent checks that a process can list the keys of an SSH agent and sign with them,
// and cannot change the agent.
func TestAgent(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	conn, _ := dial(t.Context(), t, fakeagent.Serve(t, key))
	c := agent.NewClient(conn)
	keys, err := c.List()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, %v, want one", keys, err)
	}
	for flags, format := range map[agent.SignatureFlags]string{0: ssh.KeyAlgoRSA, agent.SignatureFlagRsaSha512: ssh.KeyAlgoRSASHA512} {
		sig, err := c.SignWithFlags(keys[0], []byte("data"), flags)
		if err == nil {
			err = keys[0].Verify([]byte("data"), sig)
		}
		if err != nil || sig.Format != format {
			t.Errorf("signature with flags %d: %+v, %v, want format %s", flags, sig, err, format)
		}
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"add a key":        c.Add(agent.AddedKey{PrivateKey: other}),
		"remove a key":     c.Remove(keys[0]),
		"remove all keys":  c.RemoveAll(),
		"lock the agent":   c.Lock([]byte("word")),
		"unlock the agent": c.Unlock([]byte("word")),
	} {
		if err == nil {
			t.Errorf("a process can %s", what)
		}
	}
	if list, err := c.List(); err != nil || len(list) != 1 || list[0].String() != keys[0].String() {
		t.Errorf("keys after all requests: %v, %v, want %v", list, err, keys)
	}
}

// TestAgentRequests checks that a process may only list keys and sign. Every other request
// must get a failure as its reply, regardless of its content.
func TestAgentRequests(t *testing.T) {
	conn, _ := dial(t.Context(), t, filepath.Join(t.TempDir(), "agent"))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("agent that does not answer: error %v, want %v", err, io.EOF)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	socket := fakeagent.Serve(t, key)
	conn, _ = dial(t.Context(), t, socket)
	for kind := range 256 {
		want := []byte{0, 0, 0, 1, 5}
		switch kind {
		case 11, 13:
			continue
		case 27: // extensions
			want[4] = 28
		}
		answer := make([]byte, len(want))
		_, err := conn.Write([]byte{0, 0, 0, 2, byte(kind), '?'})
		if err == nil {
			_, err = io.ReadFull(conn, answer)
		}
		if err != nil || !bytes.Equal(answer, want) {
			t.Errorf("request %d: answer %v, %v, want %v", kind, answer, err, want)
		}
	}
	for _, n := range []uint32{0, 256<<10 + 1, 1<<32 - 1} {
		conn, ended := dial(t.Context(), t, socket)
		_ = binary.Write(conn, binary.BigEndian, n)
		<-ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	conn, ended := dial(ctx, t, silent.Addr().String())
	if _, err := conn.Write([]byte{0, 0, 0, 1, 11}); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended // even though the agent has not answered
}
