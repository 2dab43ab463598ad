//go:build integration

package buildfaults

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"

	"slipway/integration/poll"
)

var serverKills = flag.Int("server-kills", 3, "number of kills of slipway serve")

// server is a slipway serve with the state directory of a site, and a client that is connected
// to it.
type server struct {
	*client.Client
	cmd    *exec.Cmd
	output *os.File
	socket string
}

// serve starts slipway serve and waits until it answers.
func (s *site) serve() *server {
	s.t.Helper()
	output, err := os.CreateTemp(s.t.TempDir(), "serve")
	if err != nil {
		s.t.Fatal(err)
	}
	srv := &server{socket: filepath.Join(s.dir, "sock"), output: output}
	srv.cmd = s.start("serve", "--addr", "unix://"+srv.socket, "--state", s.state, "--runner", s.runner)
	srv.cmd.Stdout, srv.cmd.Stderr = output, output
	if err := srv.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = syscall.Kill(-srv.cmd.Process.Pid, syscall.SIGKILL) })
	if srv.Client, err = client.New(s.t.Context(), "unix://"+srv.socket); err != nil {
		s.t.Fatal(err)
	}
	if !poll.Until(s.t.Context(), time.Minute, func() bool {
		_, err := srv.ListWorkers(s.t.Context())
		return err == nil
	}) {
		s.t.Fatalf("slipway serve does not answer\n%s", srv.log())
	}
	return srv
}

// log returns the output of the server.
func (srv *server) log() string {
	data, err := os.ReadFile(srv.output.Name())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// end sends a signal to the server and waits until all its processes have ended.
func (srv *server) end(t testing.TB, sig syscall.Signal) {
	t.Helper()
	_ = srv.cmd.Process.Signal(sig)
	_ = srv.cmd.Wait()
	_ = srv.Close()
	wantNoProcess(t, srv.cmd.Process.Pid)
	if log := srv.log(); strings.Contains(log, "panic") {
		t.Errorf("the server panics:\n%s", log)
	}
	_ = srv.output.Close()
}

// archive receives an image.
type archive struct{ bytes.Buffer }

func (*archive) Close() error { return nil }

// buildOn builds the context of the site on a server, and returns the same archive as the method
// build. The parameter started is called when a step prints something; it may be nil.
func (s *site) buildOn(ctx context.Context, srv *server, noCache bool, started func()) ([]byte, error) {
	opt, err := s.solveOpt()
	if err != nil {
		return nil, err
	}
	if noCache {
		opt.FrontendAttrs["no-cache"] = ""
	}
	var out archive
	opt.Exports = []client.ExportEntry{{
		Type: client.ExporterOCI, Attrs: map[string]string{"rewrite-timestamp": "true"},
		Output: func(map[string]string) (io.WriteCloser, error) { return &out, nil },
	}}
	ch := make(chan *client.SolveStatus)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for m := range ch {
			if len(m.Logs) > 0 && started != nil {
				started()
			}
		}
	}()
	_, err = srv.Solve(ctx, nil, opt, ch)
	<-done
	return out.Bytes(), err
}

// storeOn builds the context of the site on a server, which stores the image under a name.
func (s *site) storeOn(srv *server, name string) error {
	opt, err := s.solveOpt()
	if err != nil {
		return err
	}
	opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"name": name}}}
	_, err = srv.Solve(s.t.Context(), nil, opt, nil)
	return err
}

// solveOpt returns the options of a build on a server, without outputs.
func (s *site) solveOpt() (client.SolveOpt, error) {
	opt := client.SolveOpt{
		Frontend: "dockerfile.v0", LocalMounts: map[string]fsutil.FS{},
		FrontendAttrs: map[string]string{"context:base": "local:base", "build-arg:SOURCE_DATE_EPOCH": "1"},
	}
	for name, dir := range map[string]string{"context": s.context, "dockerfile": s.context, "base": base} {
		var err error
		if opt.LocalMounts[name], err = fsutil.NewFS(dir); err != nil {
			return opt, err
		}
	}
	return opt, nil
}

// TestKillServer kills slipway serve at random times while it builds for two clients. The next
// server must start, list only complete builds, and build the right images from the state
// directory. No process, temporary file or mount remains.
func TestKillServer(t *testing.T) {
	t.Parallel()
	t.Logf("-seed %d -server-kills %d", *seed, *serverKills)
	k := newKiller(t, rand.New(rand.NewPCG(*seed, 8)))
	other := newSite(t, "FROM base\nRUN cat /bin/sh > /x; sleep 0.02\nRUN --mount=type=cache,target=/c cp /x /c/x; cp /c/x /y\n")
	failed := 0
	for i := 0; i < *serverKills && !t.Failed(); i++ {
		v := k.IntN(variants)
		k.setVariant(v)
		if i%3 == 0 {
			k.removeState()
		}
		srv := k.serve()
		var wg sync.WaitGroup
		wg.Go(func() {
			if data, err := k.buildOn(t.Context(), srv, i%2 == 0, nil); err != nil {
				failed++
			} else if !bytes.Equal(data, k.want[v]) {
				t.Errorf("round %d: the image is different from that of slipway build", i)
			}
		})
		wg.Go(func() { _, _ = other.buildOn(t.Context(), srv, true, nil) })
		after := time.Duration(k.Int64N(int64(k.durations[0])))
		time.Sleep(after)
		srv.end(t, syscall.SIGKILL)
		wg.Wait()
		k.checkServer(fmt.Sprintf("round %d: the server was killed after %v", i, after))
	}
	if t.Logf("%d builds were interrupted", failed); failed == 0 {
		t.Error("no build was interrupted")
	}
}

// checkServer checks the state directory after the kill of a server, and what the next server
// builds.
func (k *killer) checkServer(about string) {
	k.t.Helper()
	k.checkDigests()
	srv := k.serve()
	v := k.IntN(variants)
	k.setVariant(v)
	if data, err := k.buildOn(k.t.Context(), srv, false, nil); err != nil || !bytes.Equal(data, k.want[v]) {
		k.t.Errorf("%s: the next build creates a different image, error %v", about, err)
	}
	stream, err := srv.ControlClient().ListenBuildHistory(k.t.Context(), &controlapi.BuildHistoryRequest{EarlyExit: true})
	for err == nil {
		var e *controlapi.BuildHistoryEvent
		if e, err = stream.Recv(); err == nil && e.Record.CompletedAt == nil {
			k.t.Errorf("%s: the history has the incomplete build %s", about, e.Record.Ref)
		}
	}
	if !errors.Is(err, io.EOF) {
		k.t.Errorf("%s: history: %v", about, err)
	}
	srv.end(k.t, syscall.SIGTERM)
	k.checkDigests()
	k.checkNoTemp()
	for _, dir := range subdirectories(k.t, filepath.Join(k.state, "history")) {
		if _, err := os.Stat(filepath.Join(dir, "record")); err != nil {
			k.t.Errorf("%s: the history contains a build without a record: %v", about, err)
		}
	}
	if k.t.Failed() {
		k.t.Log(about)
	}
}

// subdirectories returns the paths of the directories in dir.
func subdirectories(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, filepath.Join(dir, e.Name()))
	}
	return list
}

// TestStopServer checks that SIGTERM ends slipway serve, of root and of an ordinary user: the
// client of a running build gets an error with the code Unavailable, and no process, temporary
// file, mount or socket remains. A build before succeeds.
func TestStopServer(t *testing.T) {
	t.Parallel()
	for _, user := range []uint32{0, 65534} {
		s := newSite(t, "FROM base\nRUN echo built > /file\n")
		s.user = user
		if err := errors.Join(os.Chmod(filepath.Dir(s.dir), 0o755), os.Chown(s.dir, int(user), int(user))); err != nil {
			t.Fatal(err)
		}
		srv := s.serve()
		if data, err := s.buildOn(t.Context(), srv, false, nil); err != nil || len(data) == 0 {
			t.Errorf("user %d: an archive of %d bytes, %v\n%s", user, len(data), err, srv.log())
		}
		s.write("Dockerfile", "FROM base\nRUN --mount=type=cache,target=/c echo started; sleep 100\n")
		started := make(chan struct{})
		failed := make(chan error, 1)
		go func() {
			_, err := s.buildOn(t.Context(), srv, false, sync.OnceFunc(func() { close(started) }))
			failed <- err
		}()
		select {
		case <-started:
		case err := <-failed:
			t.Fatalf("user %d: the step does not start: %v", user, err)
		}
		start := time.Now()
		_ = srv.cmd.Process.Signal(syscall.SIGTERM)
		if err := <-failed; grpcerrors.Code(err) != codes.Unavailable {
			t.Errorf("user %d: the build ends with %v, want the code Unavailable", user, err)
		}
		srv.end(t, syscall.SIGTERM)
		if took := time.Since(start); took > 9*time.Second {
			t.Errorf("user %d: the server ends after %v", user, took)
		}
		if code := srv.cmd.ProcessState.ExitCode(); code != 143 && code != 0 {
			t.Errorf("user %d: exit code %d\n%s", user, code, srv.log())
		}
		if _, err := os.Stat(srv.socket); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("user %d: the socket remains: %v", user, err)
		}
		s.checkNoTemp()
	}
}
