//go:build integration

package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"

	"slipway/integration/poll"
	"slipway/integration/rig"
)

// TestClientGone checks that no frontend and no step keeps running after the client is killed,
// either while the frontend waits for a registry or while a step runs.
func TestClientGone(t *testing.T) {
	registry, addr := newBadRegistry(t)
	for name, tc := range map[string]struct {
		dockerfile string
		reached    func(running string) bool // reports whether the build reached the point at which the client is killed; running is the command lines of the builder's processes
	}{
		"lookup": {"FROM " + addr + "/silent\nRUN true\n", func(running string) bool {
			return strings.Contains(running, "dockerfile-frontend") && len(registry.requests) > 0
		}},
		"step": {"FROM busybox\nRUN sleep 98765\n", func(running string) bool {
			return strings.Contains(running, "sleep 98765")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(builder.Buildctl, "--addr", builder.Socket, "build", "--frontend=dockerfile.v0", "--local=dockerfile="+writeDockerfile(t, "# syntax="+rig.Ours+"\n"+tc.dockerfile), "--local=context="+t.TempDir())
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ok := poll.Until(t.Context(), time.Minute, func() bool {
				running, err := builder.Processes()
				if err != nil {
					t.Fatal(err)
				}
				return tc.reached(strings.Join(running, "\n"))
			})
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the error is that it was killed
			if !ok {
				t.Fatalf("the build did not reach this point:\n%s", out.String())
			}
			wantNoProcess(t)
		})
	}
}

// TestContextGone checks builds whose context disappears during the transfer. If a file is
// removed after the client has listed it, BuildKit treats the file as empty. If listing the
// context fails or the client disconnects, the build must fail.
func TestContextGone(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*changingDir)
		want   string // part of the error; "" if the build must succeed
	}{
		"folder is removed": {func(v *changingDir) { v.onOpen = v.remove }, ""},
		"walk fails":        {func(v *changingDir) { v.walkErr = errors.New("the disk is gone") }, "the disk is gone"},
		"client vanishes":   {func(v *changingDir) { v.onOpen = v.cancel }, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(withTimeout(t, time.Minute))
			defer cancel()
			v := newChangingDir(t, cancel)
			tc.change(v)
			err := buildWith(ctx, t, v)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			wantNoProcess(t)
		})
	}
}

// buildWith connects a new client to the builder and builds a Dockerfile that copies the whole
// build context. The parameter files is the build context.
func buildWith(ctx context.Context, t *testing.T, files fsutil.FS) error {
	t.Helper()
	c, err := client.New(ctx, builder.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dockerfiles, err := fsutil.NewFS(writeDockerfile(t, "# syntax="+rig.Ours+"\nFROM scratch\nCOPY . /\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Solve(ctx, nil, client.SolveOpt{
		Frontend:    "dockerfile.v0",
		LocalMounts: map[string]fsutil.FS{"dockerfile": dockerfiles, "context": files},
	}, nil)
	return err
}

// changingDir is a build context of 200 files. During the transfer, a test can remove the
// files, or make listing them fail.
type changingDir struct {
	fsutil.FS
	dir     string
	cancel  context.CancelFunc
	onOpen  func() // called before each file is opened
	walkErr error  // returned after the directory was listed
}

func newChangingDir(t *testing.T, cancel context.CancelFunc) *changingDir {
	t.Helper()
	v := &changingDir{dir: t.TempDir(), cancel: cancel, onOpen: func() {}}
	for i := range 200 {
		if err := os.WriteFile(filepath.Join(v.dir, strconv.Itoa(i)), make([]byte, 100_000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if v.FS, err = fsutil.NewFS(v.dir); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *changingDir) remove() { _ = os.RemoveAll(v.dir) } // ignores errors: the transfer reads the directory concurrently

func (v *changingDir) Open(path string) (io.ReadCloser, error) {
	v.onOpen()
	return v.FS.Open(path)
}

func (v *changingDir) Walk(ctx context.Context, path string, fn fs.WalkDirFunc) error {
	return errors.Join(v.FS.Walk(ctx, path, fn), v.walkErr)
}
