//go:build integration

package server

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/solver/pb"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"slipway/builder"
)

// dialAs returns a function that connects to a unix socket as another user. Only the thread that
// connects changes its user.
func dialAs(path string, uid uintptr) func(context.Context, string) (net.Conn, error) {
	const keep = ^uintptr(0)
	return func(ctx context.Context, _ string) (_ net.Conn, err error) {
		runtime.LockOSThread()
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uid, keep); errno != 0 {
			return nil, errno
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, 0, keep); errno != 0 {
			return nil, errors.Join(err, errno) // the thread stays locked, and ends with the goroutine
		}
		runtime.UnlockOSThread()
		return conn, err
	}
}

// TestTwoUsers checks that two users at one socket cannot use what the other one has sent: sessions,
// builds, files, secrets, and requests that made an input.
func TestTwoUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can connect as two users")
	}
	s := startServer(t, builder.Options{})
	path := strings.TrimPrefix(s.address, "unix://")
	for name, mode := range map[string]os.FileMode{path: 0o666, filepath.Dir(path): 0o711} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	user := func(uid uintptr) *client.Client {
		return connect(t, s.address, client.WithContextDialer(dialAs(path, uid)))
	}
	raw, err := grpc.NewClient("passthrough:///"+path, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dialAs(path, 1002)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c := twoClients{s, user(1001), user(1002), raw}
	testOtherClient(t, c)
	testReceivedFiles(t, c.alice, c.bob)
	producedBy(t, c.alice, func(input *pb.Definition) {
		if r := producerOf(t, c.alice, input); r == nil {
			t.Error("a user does not find the own request that made an input")
		}
		if r := producerOf(t, c.bob, input); r != nil {
			t.Errorf("another user finds the request %+v that made an input", r.Request)
		}
	})
	testOwnSecrets(t, c)
}

// testOwnSecrets builds a step with a secret for both users concurrently. Each has to get the own
// secret.
func testOwnSecrets(t *testing.T, c twoClients) {
	var g errgroup.Group
	for name, user := range map[string]*client.Client{"alice": c.alice, "bob": c.bob} {
		opt := dockerfileOpt(contextDir(t, map[string]string{
			"Dockerfile": base + "ARG USER\nRUN --mount=type=secret,id=s cat /run/secrets/s > /got\n",
		}))
		opt.FrontendAttrs["build-arg:USER"] = name
		opt.Session = []session.Attachable{secretsprovider.FromMap(map[string][]byte{"s": []byte("of " + name)})}
		var out tarOutput
		opt.Exports = []client.ExportEntry{out.entry()}
		g.Go(func() error {
			if _, err := user.Solve(t.Context(), nil, opt, nil); err != nil {
				return err
			}
			if got := out.files(t)["got"]; got != "of "+name {
				t.Errorf("%s got the secret %q", name, got)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
