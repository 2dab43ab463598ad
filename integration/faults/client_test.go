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

	"slipway/integration/rig"
)

// TestClientGone kills the client while the frontend waits for a registry, and
// while a step runs.
func TestClientGone(t *testing.T) {
	registry, addr := newBadRegistry(t)
	for name, tc := range map[string]struct {
		dockerfile string
		underway   func(running string) bool // whether the builder's processes show that the build has come so far
	}{
		"lookup": {"FROM " + addr + "/silent\nRUN true\n", func(running string) bool {
			return strings.Contains(running, "dockerfile-frontend") && len(registry.asked) > 0
		}},
		"step": {"FROM busybox\nRUN sleep 98765\n", func(running string) bool {
			return strings.Contains(running, "sleep 98765")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(builder.Buildctl, "--addr", builder.Socket, "build", "--frontend=dockerfile.v0", "--local=dockerfile="+write(t, "# syntax="+rig.Ours+"\n"+tc.dockerfile), "--local=context="+t.TempDir())
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ok := eventually(t.Context(), time.Minute, func() bool {
				running, err := builder.Processes()
				if err != nil {
					t.Fatal(err)
				}
				return tc.underway(strings.Join(running, "\n"))
			})
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			if !ok {
				t.Fatalf("the build did not reach this point:\n%s", out.String())
			}
			nothingRuns(t)
		})
	}
}

// TestContextGone removes the context during its transfer. BuildKit treats a
// removed file as empty; any other failure is an error.
func TestContextGone(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*vanishing)
		want   string // part of the error; "" for none
	}{
		"folder is removed": {func(v *vanishing) { v.opened = v.remove }, ""},
		"walk fails":        {func(v *vanishing) { v.walked = errors.New("the disk is gone") }, "the disk is gone"},
		"client vanishes":   {func(v *vanishing) { v.opened = v.cancel }, "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(within(t, time.Minute))
			defer cancel()
			v := newVanishing(t, cancel)
			tc.change(v)
			err := buildWith(ctx, t, v)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			nothingRuns(t)
		})
	}
}

// buildWith builds a context with a separate client.
func buildWith(ctx context.Context, t *testing.T, files fsutil.FS) error {
	t.Helper()
	c, err := client.New(ctx, builder.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dockerfiles, err := fsutil.NewFS(write(t, "# syntax="+rig.Ours+"\nFROM scratch\nCOPY . /\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Solve(ctx, nil, client.SolveOpt{
		Frontend:    "dockerfile.v0",
		LocalMounts: map[string]fsutil.FS{"dockerfile": dockerfiles, "context": files},
	}, nil)
	return err
}

// vanishing is a directory of many files that fails or is modified during the
// transfer.
type vanishing struct {
	fsutil.FS
	dir    string
	cancel context.CancelFunc
	opened func() // called when a file is opened
	walked error  // error at the end of listing the directory
}

func newVanishing(t *testing.T, cancel context.CancelFunc) *vanishing {
	t.Helper()
	v := &vanishing{dir: t.TempDir(), cancel: cancel, opened: func() {}}
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

func (v *vanishing) remove() { _ = os.RemoveAll(v.dir) } // may be removed concurrently

func (v *vanishing) Open(path string) (io.ReadCloser, error) {
	v.opened()
	return v.FS.Open(path)
}

func (v *vanishing) Walk(ctx context.Context, path string, fn fs.WalkDirFunc) error {
	return errors.Join(v.FS.Walk(ctx, path, fn), v.walked)
}
