package namespace

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/solver/tree"
)

// TestPassedRoot checks that no layer is kept from a step that passes its root to a
// process that outlives it. This process could change the layer after it was read.
func TestPassedRoot(t *testing.T) {
	w := newWorld(t)
	w.probe(t, nil, "user") // installs /bin/probe
	name := fmt.Sprintf("@slipway-test-%d-%d", os.Getpid(), os.Getppid())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	passed := make(chan []int, 1)
	go func() {
		fds, err := receiveFiles(l)
		if err != nil {
			t.Error(err)
		}
		passed <- fds
	}()
	p := w.process("echo 1 > /f; exec /bin/probe pass:" + name)
	out, n := w.run(t, p)
	fds := <-passed
	if out != "pass:"+name+" OK\n" || len(fds) != 1 {
		t.Fatalf("the step printed %q and passed files %v", out, fds)
	}
	f, err := unix.Openat(fds[0], "f", unix.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("%v: this attempt is none", err)
	}
	_, err = unix.Write(f, []byte("2"))
	if err = errors.Join(err, unix.Close(f), unix.Close(fds[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(w.layerDir(tree.Layer{Lower: w.root, Upper: n})); err == nil {
		t.Error("what the other process could change is a layer")
	}
	// The layer of a step that passes nothing is kept.
	_, n = w.run(t, w.process("echo 3 > /f"))
	if _, err := os.Lstat(w.layerDir(tree.Layer{Lower: w.root, Upper: n})); err != nil {
		t.Errorf("the layer of a step that passes nothing: %v", err)
	}
}

// receiveFiles returns the files of the first message.
func receiveFiles(l *net.UnixListener) ([]int, error) {
	conn, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rights := make([]byte, 1<<10)
	_, n, _, _, err := conn.ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	return unix.ParseUnixRights(&messages[0])
}
