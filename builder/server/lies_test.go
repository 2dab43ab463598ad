package server

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	newid "github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"

	"slipway/builder"
	"slipway/solver/tree"
)

// liar is the side of a client that sends files. It sends the packets that a test defines.
type liar struct {
	filesync.UnimplementedFileSyncServer
	send func(l *lyingStream) error
}

func (l liar) Register(s *grpc.Server) { filesync.RegisterFileSyncServer(s, l) }

func (l liar) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	return l.send(&lyingStream{stream})
}

// lyingStream is the stream of a liar.
type lyingStream struct {
	filesync.FileSync_DiffCopyServer
}

// list lists files. The last packet ends the list.
func (l *lyingStream) list(files ...*fstypes.Stat) error {
	for _, f := range append(files, nil) {
		if err := l.Send(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: f}); err != nil {
			return err
		}
	}
	return nil
}

// answer answers each request for a file with the given chunks, until the server ends the
// transfer.
func (l *lyingStream) answer(chunks ...string) error {
	for {
		p, err := l.Recv()
		if err != nil || p.Type == fstypes.PACKET_ERR {
			return err
		}
		if p.Type == fstypes.PACKET_FIN {
			return l.Send(&fstypes.Packet{Type: fstypes.PACKET_FIN})
		}
		for _, c := range append(chunks, "") {
			if err := l.Send(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: p.ID, Data: []byte(c)}); err != nil {
				return err
			}
		}
	}
}

// wait ends when the server ends the transfer.
func (l *lyingStream) wait() error {
	for {
		if p, err := l.Recv(); err != nil || p.Type == fstypes.PACKET_ERR {
			return err
		}
	}
}

func file(path string, size int64) *fstypes.Stat {
	return &fstypes.Stat{Path: path, Mode: 0o644, Size: size}
}

func link(path string, mode os.FileMode, target string) *fstypes.Stat {
	return &fstypes.Stat{Path: path, Mode: uint32(mode | 0o644), Linkname: target}
}

// lies are the transfers of clients that lie. If want is "", the build must succeed.
func lies(outside string) map[string]struct {
	want string
	send func(l *lyingStream) error
} {
	packets := func(list ...*fstypes.Packet) func(l *lyingStream) error {
		return func(l *lyingStream) error {
			for _, p := range list {
				if err := l.Send(p); err != nil {
					return err
				}
			}
			return l.wait()
		}
	}
	listed := func(list ...*fstypes.Stat) func(l *lyingStream) error {
		return func(l *lyingStream) error {
			if err := l.list(list...); err != nil {
				return err
			}
			return l.answer("lie")
		}
	}
	dir, end := &fstypes.Stat{Path: "d", Mode: uint32(os.ModeDir | 0o755)}, &fstypes.Packet{Type: fstypes.PACKET_STAT}
	return map[string]struct {
		want string
		send func(l *lyingStream) error
	}{
		"parent":             {"escape check", listed(file("../x", 3))},
		"the parent itself":  {"escape check", listed(link("..", os.ModeDir, ""))},
		"unclean":            {"unclean path", listed(file("d/../../x", 3))},
		"absolute":           {"absolute path", listed(file(outside+"/x", 3))},
		"empty name":         {"unclean path", listed(file("", 3))},
		"NUL":                {"invalid argument", listed(file("a\x00b", 3))},
		"long name":          {"file name too long", listed(file(strings.Repeat("n", 300), 3))},
		"twice":              {"out of order", listed(file("a", 3), file("a", 3))},
		"no directory":       {"out of order", listed(file("d/a", 3))},
		"below a link":       {"out of order", listed(link("d", os.ModeSymlink, outside), file("d/x", 3))},
		"hard link outside":  {"unknown path", listed(link("a", 0, "../../../../../../../../etc/passwd"))},
		"hard link to later": {"unknown path", listed(link("a", 0, "b"), file("b", 3))},
		"link":               {"", listed(link("d", os.ModeSymlink, outside))},
		"through the link":   {"", listed(dir, file("d/secret", 3))},
		"fifo":               {"", listed(link("f", os.ModeNamedPipe, ""))},
		"strange mode":       {"invalid file request", listed(link("s", os.ModeSocket, ""))},
		"more than listed":   {"", func(l *lyingStream) error { return errors.Join(l.list(file("a", 1)), l.answer("abc", "def")) }},
		"less than listed":   {"", func(l *lyingStream) error { return errors.Join(l.list(file("a", 1<<40)), l.answer("abc")) }},
		"ends twice":         {"after the end of its list", packets(end, end)},
		"goes on":            {"after the end of its list", packets(end, &fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: file("a", 1)})},
		"not requested":      {"invalid file request", packets(&fstypes.Packet{Type: fstypes.PACKET_DATA, ID: 7, Data: []byte("x")})},
		"error":              {"error from sender: no", packets(&fstypes.Packet{Type: fstypes.PACKET_ERR, Data: []byte("no")})},
		"gives up":           {"the client ended the transfer", func(l *lyingStream) error { return l.Send(&fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: dir}) }},
		"fails":              {"broken disk", func(*lyingStream) error { return errors.New("broken disk") }},
	}
}

// TestLyingClient checks that a client that lies about its files gets an error, or an image with
// what it sent. No file outside of the directory for the client's files is read or written, no
// goroutine remains, and the builds of other clients succeed.
func TestLyingClient(t *testing.T) {
	s := startServer(t, builder.Options{})
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	def, err := llb.Local("context").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := lies(outside)
	build := func(name string) {
		t.Helper()
		var out tarOutput
		c := connect(t, s.address)
		defer c.Close() //nolint:errcheck // the build has ended
		id := openSession(t, c, liar{send: all[name].send}, filesync.NewFSSyncTarget(filesync.WithFSSync(0, out.entry().Output)))
		_, err := c.ControlClient().Solve(t.Context(), &controlapi.SolveRequest{
			Ref: newid.NewID(), Session: id, Definition: def.ToPB(), Exporters: []*controlapi.Exporter{{Type: "tar"}},
		})
		if want := all[name].want; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
		if files := out.files(t); err == nil && files["secret"]+files["d/secret"] == "hidden" {
			t.Errorf("%s: the image has a file of the server", name)
		}
	}
	build("link")
	s.wantGood(t)
	before := runtime.NumGoroutine()
	build("through the link") // after link, with the same directory on the server
	for name := range all {
		build(name)
	}
	s.wantGood(t)
	wantGoroutines(t, "all lies", before)
	if data, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(data) != "hidden" {
		t.Errorf("the file of the server contains %q, %v", data, err)
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) != 1 {
		t.Errorf("the directory of the server contains %v, %v", list, err)
	}
}

// openSession opens a session of the client c, which ends with the connection, and returns its ID.
func openSession(t *testing.T, c *client.Client, attach ...session.Attachable) string {
	t.Helper()
	s, err := session.NewSession(t.Context(), "shared")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attach {
		s.Allow(a)
	}
	go func() { _ = s.Run(t.Context(), c.Dialer()) }()
	return s.ID()
}

// wantGood checks that a build of another client succeeds.
func (x *testServer) wantGood(t *testing.T) {
	t.Helper()
	c := connect(t, x.address)
	defer c.Close() //nolint:errcheck // the build has ended
	if _, err := c.Solve(t.Context(), nil, dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "x"})), nil); err != nil {
		t.Errorf("a build of another client: %v", err)
	}
}

// wantGoroutines checks that within a short time, at most n goroutines exist. The parameter about
// describes in messages what may have left goroutines.
func wantGoroutines(t *testing.T, about string, n int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > n && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if got := runtime.NumGoroutine(); got > n {
		buf := make([]byte, 1<<16)
		t.Errorf("%s: %d goroutines remain, want %d:\n%s", about, got, n, buf[:runtime.Stack(buf, true)])
	}
}

// TestIncomingLimits checks that a client cannot send more files, names and data than allowed.
func TestIncomingLimits(t *testing.T) {
	name := &fstypes.Packet{Type: fstypes.PACKET_STAT, Stat: file("name", 1)}
	data := &fstypes.Packet{Type: fstypes.PACKET_DATA, Data: make([]byte, 10)}
	for want, c := range map[string]struct {
		left   tree.Limits
		packet *fstypes.Packet
	}{
		"too many files":   {tree.Limits{Files: 2, Names: 1 << 20, Bytes: 100}, name},
		"too long names":   {tree.Limits{Files: 100, Names: int64(2 * name.Size()), Bytes: 100}, name},
		"too much data":    {tree.Limits{Files: 100, Names: 1 << 20, Bytes: 20}, data},
		"after the end of": {tree.Limits{Files: 100, Names: 1 << 20, Bytes: 20}, &fstypes.Packet{}},
	} {
		in := newIncoming(nil, c.left)
		var err error
		n := 0
		for ; err == nil && n < 10; n++ {
			err = in.check(c.packet)
		}
		if err == nil || !strings.Contains(err.Error(), want) || n > 3 {
			t.Errorf("packet %d: error %v, want %q", n, err, want)
		}
	}
}
