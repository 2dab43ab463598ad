package namespace

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"slipway/solver/runner"
)

// TestSocketEnds checks that the connections to a container's sockets, and their
// handlers, end with the container.
func TestSocketEnds(t *testing.T) {
	socket, answers := filepath.Join(t.TempDir(), "socket"), make(chan error, 2)
	m := &runner.Mount{Mode: 0o600, Serve: func(ctx context.Context, conn net.Conn) {
		answers <- nil
		_, err := io.ReadAll(conn)
		answers <- errors.Join(err, ctx.Err())
	}}
	stop, err := listen(t.Context(), socket, m)
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
			t.Errorf("the connection ends with %v, want %v", err, context.Canceled)
		}
	default:
		t.Error("stop returns while a connection is answered")
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("reading from the connection: %v, want %v", err, io.EOF)
	}
}
