package namespace

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/tree"
)

// TestPassedRoot checks that the upper directory of a step does not become a layer if
// the step has passed a descriptor of its root to another process, which could change
// the layer after it was read.
func TestPassedRoot(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
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
		t.Fatalf("output %q, passed files %v, want OK and one file", out, fds)
	}
	f, err := unix.Openat(fds[0], "f", unix.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("open f through the passed root: %v (the test would check nothing)", err)
	}
	_, err = unix.Write(f, []byte("2"))
	if err = errors.Join(err, unix.Close(f), unix.Close(fds[0])); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(w.layerDir(tree.Layer{Lower: w.root, Upper: n}.Ref())); err == nil {
		t.Error("the upper directory has become a layer, although another process can change it")
	}
	// The upper directory of a step that passes nothing becomes a layer.
	_, n = w.run(t, w.process("echo 3 > /f"))
	if _, err := os.Lstat(w.layerDir(tree.Layer{Lower: w.root, Upper: n}.Ref())); err != nil {
		t.Errorf("layer of a step that passes nothing: error %v, want nil", err)
	}
}

// receiveFiles accepts a connection and returns the descriptors in its first message.
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
