package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// treeWithSocket returns a tree that contains the socket "s/sock", the file "s/file"
// and the empty directory "plain".
func treeWithSocket(t *testing.T, s *Store) *Node {
	t.Helper()
	b, err := s.PutBytes([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	e := Edit(nil)
	_, err = e.MkdirAll("s", Meta{Mode: 0o755})
	err = errors.Join(err,
		e.Put("s/file", NewFile(Meta{Mode: 0o644}, b)),
		e.Put("s/sock", NewDevice(Socket, Meta{Mode: 0o700, UID: 3}, Device{})),
		e.Put("plain", newDir(Meta{Mode: 0o755}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return e.Tree()
}

// TestSockets checks that the store preserves sockets, that StubSockets replaces them by
// empty files, and that a layer contains only whiteouts of removed sockets.
func TestSockets(t *testing.T) {
	s := testStore(t)
	n := treeWithSocket(t, s)
	if err := s.Save(n); err != nil {
		t.Fatal(err)
	}
	loaded, err := s.Load(n.ID())
	if err != nil || !loaded.Same(n) || must(loaded.Get("s/sock")).Kind() != Socket {
		t.Fatalf("loaded %v, %v", loaded, err)
	}
	for _, n := range []*Node{n, loaded} {
		stubs, err := s.StubSockets(n)
		if err != nil {
			t.Fatal(err)
		}
		f := must(stubs.Get("s/sock"))
		if f.Kind() != File || f.Blob().Size != 0 || !f.Meta().Equal(must(n.Get("s/sock")).Meta()) || must(stubs.Get("s/file")) == nil {
			t.Errorf("a copy of the socket is %+v, want an empty file", f)
		}
		if again, err := s.StubSockets(stubs); err != nil || again != stubs {
			t.Errorf("a tree without sockets changed: %v", err)
		}
		e := Edit(n)
		if err := e.Remove("s/sock"); err != nil {
			t.Fatal(err)
		}
		var want, got, none, over bytes.Buffer
		err = errors.Join(
			WriteLayer(t.Context(), &want, Layer{Upper: e.Tree()}, s, LayerOptions{}), WriteLayer(t.Context(), &got, Layer{Lower: nil, Upper: n}, s, LayerOptions{}),
			WriteLayer(t.Context(), &none, Layer{Lower: n, Upper: e.Tree()}, s, LayerOptions{}))
		if err != nil || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("the layer differs from the layer of the tree without the socket: %v", err)
		}
		if got := archiveNames(t, &none); got != "s/ s/.wh.sock" {
			t.Errorf("a layer that removes a socket has %s, want a whiteout", got)
		}
		if err := errors.Join(e.Put("s/sock", must(n.Get("s/file"))), WriteLayer(t.Context(), &over, Layer{Lower: e.Tree(), Upper: n}, s, LayerOptions{})); err != nil {
			t.Fatal(err)
		}
		if got := archiveNames(t, &over); got != "s/ s/.wh.sock" {
			t.Errorf("a layer with a socket in place of a file has %s, want a whiteout", got)
		}
	}
}

// archiveNames returns the names in an archive, separated by spaces.
func archiveNames(t *testing.T, r io.Reader) string {
	t.Helper()
	var list []string
	for a := tar.NewReader(r); ; {
		h, err := a.Next()
		if errors.Is(err, io.EOF) {
			return strings.Join(list, " ")
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h.Name)
	}
}

// TestHostSockets checks that ReadDir reads sockets, and that WriteDir creates them only if
// it also sets owners.
func TestHostSockets(t *testing.T) {
	s, from, to := testStore(t), t.TempDir(), t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(from, "sock"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n, err := HostReader{Store: s}.ReadDir(t.Context(), from)
	if err != nil || must(n.Get("sock")) == nil || must(n.Get("sock")).Kind() != Socket {
		t.Fatalf("read %+v, %v", n, err)
	}
	if err := WriteDir(t.Context(), to, n, s, HostOptions{}); err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadDir(to); err != nil || len(list) > 0 {
		t.Errorf("without owners: got %v, %v, want no files", list, err)
	}
	if os.Geteuid() != 0 {
		return // only root may set owners
	}
	if err := WriteDir(t.Context(), to, n, s, HostOptions{Owners: true}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(to, "sock")); err != nil || info.Mode()&fs.ModeSocket == 0 {
		t.Errorf("with owners: got %v, %v, want a socket", info, err)
	}
}
