//go:build integration

package daemon

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"

	"slipway/builder"
	"slipway/integration/imagetree"
	"slipway/integration/poll"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// TestFrontendImages builds in this process with the frontend images of this project and of
// upstream. The results must equal the results of the built-in frontend, which other tests
// compare with BuildKit's.
func TestFrontendImages(t *testing.T) {
	names := map[string]bool{
		"add-local": true, "copy-from": true, "onbuild-trigger": true, "platform": true, "run-mount-secret": true,
	}
	state, ran := t.TempDir(), 0
	for _, c := range readCases(t, "image") {
		if !names[c.name] {
			continue
		}
		ran++
		for _, ref := range []string{ours, upstream} {
			used := false // the frontend image
			build := func(image bool) string {
				return c.build(t, func(t *testing.T, req rig.Request) ([]imagetree.Image, error) {
					if image {
						req.Dockerfile = "# syntax=" + ref + "\n" + req.Dockerfile
					}
					return solveImage(t, req, func(o *builder.Options) {
						setState(state, "namespace")(o)
						o.SyntaxImage = image
						o.Status = func(s *client.SolveStatus) {
							for _, v := range s.Vertexes {
								used = used || strings.Contains(v.Name, ref)
							}
						}
					})
				})
			}
			want := build(false)
			if used {
				t.Errorf("%s: a build without # syntax has used %s", c.name, ref)
			}
			if diff := imagetree.Difference(want, build(true)); diff != "" || !used {
				t.Errorf("%s with %s\nimage (-built in +frontend image):\n%s", c.name, ref, diff)
			}
		}
	}
	if ran != len(names) {
		t.Errorf("%d of %d cases exist", ran, len(names))
	}
}

// TestHostileFrontends runs programs that are not frontends as frontends. Each build must fail,
// and leave no process, mount or goroutine.
func TestHostileFrontends(t *testing.T) {
	state := t.TempDir()
	build := func(ctx context.Context, dockerfile, tag string) error {
		o := builder.Options{Context: t.TempDir(), File: "-", Stdin: strings.NewReader(dockerfile), Now: time.Now}
		setState(state, "namespace")(&o)
		if tag != "" {
			o.Tags = []string{tag}
		}
		return builder.Run(ctx, o)
	}
	if err := build(t.Context(), "FROM busybox\nENTRYPOINT [\"true\"]\n", "warm-up"); err != nil {
		t.Fatal(err)
	}
	if err := build(t.Context(), "# syntax=warm-up\n", ""); err == nil {
		t.Fatal("no error from a frontend without a result")
	}
	goroutines, mounts := runtime.NumGoroutine(), mountCount(t)
	for command, want := range map[string]string{
		"exit 0":               "no result for incomplete build",
		"echo why >&2; exit 3": "exit code: 3: why",
		"yes":                  "frontend grpc server closed unexpectedly",
		"cat /dev/zero >&2":    "context canceled",
		"cat > /dev/null":      "context canceled",
		"sleep 98765":          "context canceled",
		"for i in $(seq 50); do sleep 98765 & done": "no result for incomplete build",
		"exec 0<&- 1>&-; sleep 98765":               "context canceled",
	} {
		if err := build(t.Context(), "FROM busybox\nENTRYPOINT [\"sh\", \"-c\", \""+command+"\"]\n", "hostile"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if want == "context canceled" {
			time.AfterFunc(2*time.Second, cancel)
		}
		err := build(ctx, "# syntax=hostile\n", "")
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", command, err, want)
		}
		if n := processCount(t, "sleep\x0098765\x00"); n > 0 {
			t.Errorf("%s: left %d processes", command, n)
		}
	}
	if !poll.Until(t.Context(), 10*time.Second, func() bool { return runtime.NumGoroutine() <= goroutines }) {
		var stacks strings.Builder
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		t.Errorf("%d goroutines before, %d after:\n%s", goroutines, runtime.NumGoroutine(), stacks.String())
	}
	if n := mountCount(t); n != mounts {
		t.Errorf("%d mounts before, %d after", mounts, n)
	}
}

// processCount returns the number of processes with the given command line. In the parameter
// command, each argument ends with a zero byte.
func processCount(t *testing.T, command string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if data, _ := os.ReadFile(file); string(data) == command { // fails if the process has ended
			n++
		}
	}
	return n
}

// mountCount returns the number of mounts in this mount namespace.
func mountCount(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), "\n")
}

// TestExampleFrontend checks builds with the frontend in examples/frontend, as root and as an
// ordinary user.
func TestExampleFrontend(t *testing.T) {
	for about, uid := range map[string]int{"root": 0, "ordinary user": 65534} {
		t.Run(about, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "slipway-example-") //nolint:usetesting // only root can enter t.TempDir()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			writeExample(t, dir)
			if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, uid, uid)); err != nil {
				t.Fatal(err)
			}
			slipway := func(args ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), "./slipway", append([]string{"build", "--progress=plain", "--runner=namespace", "--state=state"}, args...)...)
				cmd.Dir, cmd.Env = dir, []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("slipway build %s: %v\n%s", strings.Join(args, " "), err, out)
				}
			}
			slipway("-t=base", "base")
			slipway("-t=frontend", "frontend")
			slipway("-f=build.yaml", "-o=out", ".")
			wantText(t, filepath.Join(dir, "out", "greeting"), "hello\n0\n")
		})
	}
}

// writeExample writes slipway, the contexts of a frontend image and a base image, and a file
// build.yaml to dir.
func writeExample(t *testing.T, dir string) {
	t.Helper()
	root, err := toolbox.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range [][2]string{{"slipway", "./cmd/slipway"}, {"frontend/frontend", "./examples/frontend"}} {
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, program[0]), program[1])
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(root, "examples", "frontend", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "frontend", "Dockerfile"), image)
	writeFile(t, filepath.Join(dir, "base", "busybox"), busybox)
	writeFile(t, filepath.Join(dir, "base", "Dockerfile"), []byte("FROM scratch\nCOPY --chmod=755 busybox /bin/\nRUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n"))
	writeFile(t, filepath.Join(dir, "build.yaml"), []byte("# syntax=frontend\nfrom: base\nrun:\n- echo hello > /greeting; id -u >> /greeting\n"))
}
