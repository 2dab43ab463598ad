package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"slipway/builder"
)

// blockingFS is a directory in which opening a file calls opened and then waits for released.
type blockingFS struct {
	fsutil.FS
	opened   func()
	released <-chan struct{}
}

func (b blockingFS) Open(name string) (io.ReadCloser, error) {
	b.opened()
	<-b.released
	return b.FS.Open(name)
}

// vanishing is a client that is about to vanish.
type vanishing struct {
	*client.Client
	t       *testing.T
	reached func()          // ends the wait for the phase
	gone    <-chan struct{} // closed after the connection
}

// phases are what a client does when it vanishes. Each function calls reached in the phase, and
// returns after the connection has closed.
func phases(files fsutil.FS) map[string]func(ctx context.Context, c vanishing) {
	return map[string]func(ctx context.Context, c vanishing){
		"transfer": func(ctx context.Context, c vanishing) {
			_, _ = c.Solve(ctx, nil, dockerfileOpt(blockingFS{files, c.reached, c.gone}), nil)
		},
		"step": func(ctx context.Context, c vanishing) {
			ch := make(chan *client.SolveStatus)
			go func() {
				for m := range ch {
					if len(m.Logs) > 0 {
						c.reached()
					}
				}
			}()
			_, _ = c.Solve(ctx, nil, dockerfileOpt(files), ch)
		},
		"frontend": func(ctx context.Context, c vanishing) {
			_, _ = c.Build(ctx, client.SolveOpt{}, "test", func(context.Context, gateway.Client) (*gateway.Result, error) {
				c.reached()
				<-c.gone
				return nil, context.Canceled
			}, nil)
		},
		"secret": func(ctx context.Context, c vanishing) {
			opt := dockerfileOpt(contextDir(c.t, map[string]string{"Dockerfile": base + "RUN --mount=type=secret,id=vanishing cat /run/secrets/vanishing\n"}))
			opt.Session = []session.Attachable{blockingSecrets(c)}
			_, _ = c.Solve(ctx, nil, opt, nil)
		},
		"archive": func(ctx context.Context, c vanishing) {
			opt := dockerfileOpt(contextDir(c.t, map[string]string{"Dockerfile": hello, "a.txt": "x"}))
			opt.Exports = []client.ExportEntry{{Type: client.ExporterTar, Output: func(map[string]string) (io.WriteCloser, error) { return blockingWriter(c), nil }}}
			_, _ = c.Solve(ctx, nil, opt, nil)
		},
		"directory": func(ctx context.Context, c vanishing) {
			def, err := manyFiles().Marshal(ctx)
			if err != nil {
				c.t.Error(err)
			}
			_, _ = c.ControlClient().Solve(ctx, &controlapi.SolveRequest{
				Ref: "directory", Session: openSession(c.t, c.Client, greedyReceiver{vanishing: c}), Definition: def.ToPB(), Exporters: []*controlapi.Exporter{{Type: "local"}},
			})
		},
		"session": func(ctx context.Context, c vanishing) {
			stream, err := c.ControlClient().Session(metadata.AppendToOutgoingContext(ctx, sessionHeader, "silent"))
			c.reached()
			if err == nil {
				_, _ = stream.Recv()
			}
			<-c.gone
		},
		"status": func(ctx context.Context, c vanishing) {
			stream, err := c.ControlClient().Status(ctx, &controlapi.StatusRequest{Ref: "unknown"})
			c.reached()
			if err == nil {
				_, _ = stream.Recv()
			}
		},
		"history": func(ctx context.Context, c vanishing) {
			stream, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{})
			c.reached()
			for err == nil {
				_, err = stream.Recv()
			}
		},
	}
}

// blockingSecrets is a store of secrets that does not answer before the client has vanished.
func blockingSecrets(c vanishing) session.Attachable {
	return secretsprovider.NewSecretProvider(blockingStore(c))
}

type blockingStore vanishing

func (b blockingStore) GetSecret(context.Context, string) ([]byte, error) {
	b.reached()
	<-b.gone
	return nil, context.Canceled
}

// blockingWriter is an output that does not receive anything before the client has vanished.
type blockingWriter vanishing

func (b blockingWriter) Write([]byte) (int, error) {
	b.reached()
	<-b.gone
	return 0, context.Canceled
}

func (b blockingWriter) Close() error { return nil }

// files is the number of files in manyFiles, more than the server sends before the client has
// received some of them.
const files = 3 * maxRequests

// manyFiles is a result with many files, each so large that it is sent only if the client reads.
func manyFiles() llb.State {
	first := llb.Scratch().File(llb.Mkfile("/0", 0o644, make([]byte, 1<<17)))
	actions := llb.Copy(first, "/0", "/1")
	for i := range files - 2 {
		actions = actions.Copy(first, "/0", fmt.Sprintf("/%d", i+2))
	}
	return first.File(actions)
}

// greedyReceiver is a client that requests all files of an output and reads none of them.
type greedyReceiver struct {
	filesync.UnimplementedFileSendServer
	vanishing
}

func (g greedyReceiver) Register(s *grpc.Server) { filesync.RegisterFileSendServer(s, g) }

func (g greedyReceiver) DiffCopy(stream filesync.FileSend_DiffCopyServer) error {
	for range files + 1 { // the list of files
		if err := stream.RecvMsg(&fstypes.Packet{}); err != nil {
			return err
		}
	}
	for i := range files {
		if err := stream.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_REQ, ID: uint32(i)}); err != nil {
			return err
		}
	}
	time.Sleep(200 * time.Millisecond) // until the server waits for the client to read
	g.reached()
	<-g.gone
	return nil
}

// TestVanish closes the connection of a client in each phase of a build. No goroutine, open file or
// temporary file remains, and the next build succeeds.
func TestVanish(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s := startServer(t, builder.Options{})
	dir := contextDir(t, map[string]string{"Dockerfile": base + "RUN echo started; while :; do cat /bin/sh; done\n", "a.txt": "content\n"})
	for range maxEnded + 1 { // the server keeps the progress of the last builds open
		s.wantGood(t)
	}
	before, open := runtime.NumGoroutine(), openFiles(t)
	for phase, start := range phases(dir) {
		c := connect(t, s.address)
		reached, gone := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { start(t.Context(), vanishing{c, t, sync.OnceFunc(func() { close(reached) }), gone}) })
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatalf("%s: the client does not get so far", phase)
		}
		_ = c.Close()
		close(gone)
		wg.Wait()
		wantGoroutines(t, phase, before)
		s.wantGood(t)
		wantGoroutines(t, phase, before)
	}
	// The process may open other files meanwhile, but not one in each phase.
	if n := openFiles(t); n >= open+len(phases(dir)) {
		t.Errorf("%d files are open, and %d before the clients vanished", n, open)
	}
	if list, err := os.ReadDir(tmp); err != nil || len(list) != 1 { // the socket
		t.Errorf("temporary files remain: %v, %v", list, err)
	}
	for _, dir := range []string{"store/tmp", "outputs", "builder"} {
		if list, _ := os.ReadDir(filepath.Join(s.state, dir)); len(list) > 0 {
			t.Errorf("%s contains %v", dir, list)
		}
	}
}

// openFiles returns the number of open files of this process, or 0 if it is unknown.
func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestVanishedFirst checks a step that two clients need concurrently. The first client vanishes
// while the step needs its secret: the step then runs for the second client.
func TestVanishedFirst(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": base + "RUN --mount=type=secret,id=s cat /run/secrets/s\n"}))
	first := connect(t, s.address)
	reached, gone := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		opt := opt
		opt.Session = []session.Attachable{blockingSecrets(vanishing{first, t, sync.OnceFunc(func() { close(reached) }), gone})}
		_, _ = first.Solve(t.Context(), nil, opt, nil)
	})
	<-reached
	waits := make(chan *client.SolveStatus)
	wg.Go(func() {
		opt.Session = []session.Attachable{secretsprovider.FromMap(map[string][]byte{"s": []byte("x")})}
		if _, err := s.Solve(t.Context(), nil, opt, waits); err != nil {
			t.Errorf("the second client: %v", err)
		}
	})
	for range waits {
		if first != nil { // the second client has started
			_ = first.Close()
			close(gone)
			first = nil
		}
	}
	wg.Wait()
}
