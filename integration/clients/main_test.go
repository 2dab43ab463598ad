//go:build integration

package clients

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/txtar"

	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// builder is the BuildKit daemon and registry that all tests share, because starting them takes
// seconds. Only TestMain sets it.
var builder *rig.Rig

func TestMain(m *testing.M) {
	rig.Main(m, func(r *rig.Rig) { builder = r })
}

// server starts the slipway serve that all tests share.
var server = sync.OnceValues(func() (*rig.Daemon, error) { return builder.StartServer(context.Background()) })

// onEachBuilder runs a test with buildkitd and with slipway serve.
func onEachBuilder(t *testing.T, test func(*testing.T, *rig.Daemon)) {
	t.Run("buildkitd", func(t *testing.T) {
		t.Parallel()
		test(t, builder.Daemon)
	})
	t.Run("slipway", func(t *testing.T) {
		t.Parallel()
		d, err := server()
		if err != nil {
			t.Fatal(err)
		}
		test(t, d)
	})
}

// onBuildkitd runs a test with buildkitd only. The doc comment of the test gives the reason.
func onBuildkitd(t *testing.T, test func(*testing.T, *rig.Daemon)) {
	t.Parallel()
	test(t, builder.Daemon)
}

// onOwnBuilder runs a test with a buildkitd and a slipway serve that no other test uses.
func onOwnBuilder(t *testing.T, test func(*testing.T, *rig.Daemon)) {
	for name, start := range map[string]func() (*rig.Daemon, error){
		"buildkitd": func() (*rig.Daemon, error) { return builder.StartDaemon(t.Context(), "buildkitd") },
		"slipway":   func() (*rig.Daemon, error) { return builder.StartServer(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := start()
			if err != nil {
				t.Fatal(err)
			}
			test(t, d)
		})
	}
}

// A buildx runs docker buildx commands that use one builder.
type buildx struct {
	path   string
	env    []string
	daemon *rig.Daemon
}

// newBuildx returns a buildx that builds with daemon d through driver remote. It uses a new
// configuration directory, so that it does not modify the configuration of the user.
func newBuildx(t *testing.T, d *rig.Daemon) *buildx {
	t.Helper()
	path, err := toolbox.Path(t.Context(), t.Output(), "buildx")
	if err != nil {
		t.Fatal(err)
	}
	config := t.TempDir()
	b := &buildx{path: path, daemon: d, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + config, "DOCKER_CONFIG=" + config, "BUILDX_CONFIG=" + config, "BUILDX_BUILDER=rig",
		"BUILDX_NO_DEFAULT_ATTESTATIONS=1",
	}}
	if out, err := b.runAny(t, ".", "create", "--name", "rig", "--driver", "remote", d.Socket); err != nil {
		t.Fatalf("buildx create: %v\n%s", err, out)
	}
	return b
}

// runAny runs buildx in dir and returns its output, even if it fails. It leaves out what the HTTP/2
// server of the session logs when a busy machine ends the connection early. A build that fails
// with [rig.StartTimeout] runs once more.
func (b *buildx) runAny(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	out, err := rig.CombinedOutput(func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), b.path, args...)
		cmd.Dir, cmd.Env = dir, b.env
		return cmd
	})
	return regexp.MustCompile(`(?m)^[0-9/]+ [0-9:]+ http2: .*\n`).ReplaceAllString(string(out), ""), err
}

// run runs buildx in dir and returns its output. It fails the test if buildx fails.
func (b *buildx) run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := b.runAny(t, dir, args...)
	if err != nil {
		t.Fatalf("buildx %s: %v\n%s%s", strings.Join(args, " "), err, out, b.daemon.DaemonLog(1000))
	}
	return out
}

// writeArchive writes the files of a txtar archive to a new directory and returns the
// directory. It replaces FRONTEND in the files with the reference of our frontend image.
func writeArchive(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(f.Data), "FRONTEND", rig.Ours)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// wantFile checks that a file has the content want. The parameter path contains the elements of
// the file's path.
func wantFile(t *testing.T, want string, path ...string) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Error(err)
	} else if string(got) != want {
		t.Errorf("%s: %q, want %q", filepath.Base(filepath.Join(path...)), got, want)
	}
}
