package socket

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"slipway/solver/runner"
)

// TestSocketEnds checks that stopping a socket closes its connections, cancels the
// context of Serve and waits for Serve to return.
func TestSocketEnds(t *testing.T) {
	socket, answers := filepath.Join(t.TempDir(), "socket"), make(chan error, 2)
	m := &runner.Mount{Mode: 0o600, Serve: func(ctx context.Context, conn net.Conn) {
		answers <- nil
		_, err := io.ReadAll(conn)
		answers <- errors.Join(err, ctx.Err())
	}}
	stop, err := Listen(t.Context(), socket, m)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-answers
	stop()
	select {
	case err := <-answers:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: error %v, want %v", err, context.Canceled)
		}
	default:
		t.Error("stop returned before Serve, want that it waits")
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read from the connection: error %v, want %v", err, io.EOF)
	}
}
