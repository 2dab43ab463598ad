package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"slipway/builder"
)

func TestCredentials(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"unix:///run/x", ""},
		{"tcp://127.0.0.1:1", ""},
		{"tcp://[::1]:1", ""},
		{"tcp://localhost:1", ""},
		{"tcp://0.0.0.0:1", "TLS is required"},
		{"tcp://:1", "TLS is required"},
		{"tcp://builder.example:1", "TLS is required"},
		{"tcp://127.0.0.1", "invalid address"},
		{"unix://", "invalid address"},
		{"fd://", "invalid address"},
	} {
		creds, err := TLS{}.Credentials(c.address)
		if creds != nil || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, error %v, want %q", c.address, creds, err, c.want)
		}
	}
	if _, err := (TLS{Cert: "x"}).Credentials("tcp://h:1"); err == nil {
		t.Error("TLS with a certificate only: no error")
	}
	if _, err := (TLS{CACert: "x", Cert: "x", Key: "x"}).Credentials("unix:///x"); err == nil {
		t.Error("TLS at a unix socket: no error")
	}
}

// TestListen checks the mode of the socket, and that a server replaces only sockets without a
// server.
func TestListen(t *testing.T) {
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // short, because the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "new", "s")
	l, err := Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want the mode 0600", info, err)
	}
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Errorf("a second server: error %v", err)
	}
	_ = l.(*socket).UnixListener.Close() // as after a kill, the socket remains
	l, err = Listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix://" + path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("at a file: error %v", err)
	}
}

// TestSessionOwner refuses a session of another user, and a second session with the same ID.
func TestSessionOwner(t *testing.T) {
	s, err := newSessions()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	defer theirs.Close()
	release, err := s.claim([]string{"id"}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := s.claim([]string{"id"}, "alice"); err == nil {
		t.Error("a second session with the ID: no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.manager.HandleConn(ctx, ours, map[string][]string{sessionHeader: {"id"}}) }()
	if _, err := s.get(t.Context(), "id", "alice"); err != nil {
		t.Errorf("the owner: %v", err)
	}
	for _, user := range []identity{"bob", ""} {
		if _, err := s.get(t.Context(), "id", user); err == nil || !strings.Contains(err.Error(), "belongs to another client") {
			t.Errorf("user %q: error %v", user, err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReceivedKey checks that users do not share the directory for a local source, and unknown
// users not even between sessions.
func TestReceivedKey(t *testing.T) {
	key := func(user identity, session string) string {
		return receivedKey(user, session, "shared", "context", nil)
	}
	if key("alice", "1") != key("alice", "2") {
		t.Error("two sessions of a user have different directories")
	}
	if key("alice", "1") == key("bob", "1") {
		t.Error("two users share a directory")
	}
	if key("", "1") == key("", "2") {
		t.Error("two sessions of unknown users share a directory")
	}
}

// TestTCP builds with a client on a loopback address.
func TestTCP(t *testing.T) {
	x := startServer(t, builder.Options{}).listenTCP(t, nil)
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	if _, err := connect(t, x.address).Solve(t.Context(), nil, opt, nil); err != nil {
		t.Error(err)
	}
}

// TestHistory lists, pins and deletes records, and sends events to a client that listens.
func TestHistory(t *testing.T) {
	s := startServer(t, builder.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listening, err := s.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{hello, base + "RUN exit 3\n"} {
		opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": file, "a.txt": "content\n"}))
		opt.Ref = fmt.Sprintf("ref-%d", len(file))
		_, _ = s.Solve(t.Context(), nil, opt, nil) // the second build fails
	}
	if _, err := s.Solve(t.Context(), nil, client.SolveOpt{Frontend: "toy.v0", Internal: true}, nil); err == nil {
		t.Error("an unknown frontend: no error")
	}
	good, bad := fmt.Sprintf("ref-%d", len(hello)), fmt.Sprintf("ref-%d", len(base+"RUN exit 3\n"))
	wantRecords(t, s, nil, "ref=="+good+" completed, ref=="+bad+" error")
	wantRecords(t, s, []string{"status==error"}, "ref=="+bad+" error")
	wantRecords(t, s, []string{"startedAt>1h,duration<1h"}, "ref=="+good+" completed, ref=="+bad+" error")
	if _, err := s.ControlClient().UpdateBuildHistory(t.Context(), &controlapi.UpdateBuildHistoryRequest{Ref: good, Pinned: true}); err != nil {
		t.Error(err)
	}
	if _, err := s.ControlClient().UpdateBuildHistory(t.Context(), &controlapi.UpdateBuildHistoryRequest{Ref: bad, Delete: true}); err != nil {
		t.Error(err)
	}
	wantRecords(t, s, nil, "ref=="+good+" completed pinned")
	got := ""
	for range 6 {
		e, err := listening.Recv()
		if err != nil {
			t.Fatal(err)
		}
		got += e.Type.String() + " " + e.Record.Ref + "\n"
	}
	want := fmt.Sprintf("STARTED %[1]s\nCOMPLETE %[1]s\nSTARTED %[2]s\nCOMPLETE %[2]s\nCOMPLETE %[1]s\nDELETED %[2]s\n", good, bad)
	if got != want {
		t.Errorf("got the events\n%s", got)
	}
}

// wantRecords checks the records in the history that match the filters.
func wantRecords(t *testing.T, s *testServer, filters []string, want string) {
	t.Helper()
	stream, err := s.ControlClient().ListenBuildHistory(t.Context(), &controlapi.BuildHistoryRequest{EarlyExit: true, Filter: filters})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for {
		e, err := stream.Recv()
		if err != nil {
			break
		}
		text := "ref==" + e.Record.Ref + " completed"
		if e.Record.Error != nil {
			text = "ref==" + e.Record.Ref + " error"
		}
		if e.Record.Pinned {
			text += " pinned"
		}
		list = append(list, text)
	}
	if got := strings.Join(list, ", "); got != want {
		t.Errorf("filters %q: got %q, want %q", filters, got, want)
	}
}

// TestTrim removes only records that are old, exceed the maximum number and are not pinned.
func TestTrim(t *testing.T) {
	now := time.Now()
	h, err := openHistory(t.TempDir(), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxRecords + 10 {
		r := &controlapi.BuildHistoryRecord{Ref: fmt.Sprint(i), Pinned: i == 0, CompletedAt: timestamppb.New(now.Add(time.Duration(i) * time.Second))}
		if _, err := h.start(r, false); err != nil {
			t.Fatal(err)
		}
		if err := h.end(r); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.records); n != maxRecords+10 {
		t.Errorf("%d new records remain, want all %d", n, maxRecords+10)
	}
	now = now.Add(2 * maxRecordAge)
	if err := h.trim(); err != nil {
		t.Fatal(err)
	}
	if n := len(h.records); n != maxRecords+1 || h.records["0"] == nil || h.records["59"] == nil {
		t.Errorf("%d old records remain, want the newest %d and the pinned one", n, maxRecords)
	}
	again, err := openHistory(h.dir, h.now)
	if err != nil || len(again.records) != len(h.records) {
		t.Errorf("read %d records, %v, want %d", len(again.records), err, len(h.records))
	}
}
