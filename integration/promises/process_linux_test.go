package promises

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"slipway/integration/toolbox"
	"slipway/internal/slowtest"
	"slipway/internal/testcontext"
)

// programs compiles slipway and creates a base image, once per test process. It returns the
// path of slipway and the directory of the image.
var programs = sync.OnceValues(func() ([2]string, error) {
	root, err := toolbox.Root()
	if err != nil {
		return [2]string{}, err
	}
	dir := filepath.Join(root, "bin", "promises")
	slipway, tool, base := filepath.Join(dir, "slipway"), filepath.Join(dir, "toolbox"), filepath.Join(dir, "base")
	for _, args := range [][]string{
		{"go", "build", "-o", slipway, "./cmd/slipway"},
		{"go", "-C", "examples/toolbox", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", tool, "."},
		{tool, "-install", base},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return [2]string{}, fmt.Errorf("%s: %w: %s", args, err, out)
		}
	}
	return [2]string{slipway, base}, nil
})

// environment is a user who runs slipway, together with a directory that contains the program,
// the build context, the state and the outputs.
type environment struct {
	t      *testing.T
	dir    string
	user   uint32
	runner string
	env    []string
	umask  int
}

// newEnvironment creates an environment in a new temporary directory. The directory belongs
// to the user with id user.
func newEnvironment(t *testing.T, user uint32, runner string) *environment {
	t.Helper()
	ps, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // other users need access, too
		t.Fatal(err)
	}
	w := &environment{t: t, dir: dir, user: user, runner: runner, umask: 0o022}
	for _, d := range []string{"home", "tmp", "cwd/context", "state", "out"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Copy the program and the base image to where all users can read them.
	w.copy(ps[0], "slipway")
	if err := os.CopyFS(filepath.Join(dir, "cwd", "context", "base"), os.DirFS(ps[1])); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink == 0 {
			if err := os.Chmod(name, 0o755); err != nil {
				return err
			}
		}
		return os.Lchown(name, int(user), int(user))
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *environment) copy(from, to string) {
	w.t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, to), data, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// command returns a slipway build command and the buffer that receives its output.
func (w *environment) command(dockerfile string, args ...string) (*exec.Cmd, *lockedBuffer) {
	w.t.Helper()
	file := filepath.Join(w.dir, "cwd", "context", "Dockerfile")
	if err := os.WriteFile(file, []byte(dockerfile), 0o644); err != nil {
		w.t.Fatal(err)
	}
	args = append([]string{
		fmt.Sprintf("umask %o && exec \"$0\" \"$@\"", w.umask), filepath.Join(w.dir, "slipway"), "build",
		"--state", filepath.Join(w.dir, "state"), "--runner", w.runner, "--progress", "plain",
	}, args...)
	cmd := exec.CommandContext(w.t.Context(), "sh", append([]string{"-c"}, append(args, "context")...)...)
	cmd.Dir = filepath.Join(w.dir, "cwd")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(w.dir, "home"), "TMPDIR=" + filepath.Join(w.dir, "tmp")}, w.env...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: w.user, Gid: w.user}}
	}
	output := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = output, output
	return cmd, output
}

// lockedBuffer is a buffer for the output of a running command. Safe for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// leftovers returns descriptions of everything that a build could leave on the machine: mounts,
// and files outside the state directory, including files in /etc. It omits the build results and
// the test's own files.
func (w *environment) leftovers() []string {
	w.t.Helper()
	var list []string
	for _, root := range []string{w.dir, "/etc"} {
		err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case name == filepath.Join(w.dir, "state"), name == filepath.Join(w.dir, "out"):
				return filepath.SkipDir
			case d.Name() == "Dockerfile":
				return nil
			}
			info, err := d.Info()
			if err == nil {
				line := fmt.Sprintf("%s %v", name, info.Mode())
				if !d.IsDir() {
					line += fmt.Sprintf(" %d %v", info.Size(), info.ModTime())
				}
				list = append(list, line)
			}
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, w.dir) { // ignore mounts of other processes
			list = append(list, line)
		}
	}
	return list
}

// TestNoTrace checks that a build leaves no processes, no mounts and no files outside the
// state directory, whether it succeeds, fails or is interrupted.
func TestNoTrace(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	// A subreaper becomes the parent of orphaned processes, so children finds them.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	for _, u := range users() {
		w := newEnvironment(t, u.user, u.runner)
		for _, tc := range []struct {
			about, run string
			code       int
		}{
			{"success", "cat base > /dev/null; mkdir /made; cat /bin/sh > /made/file", 0},
			{"failure", "mkdir /made; exit 3", 1},
			{"interrupt", "echo begun; sleep 100", 130},
		} {
			before := w.leftovers()
			cmd, output := w.command("FROM scratch\nCOPY base /\nRUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t "+tc.run+"\n",
				"-o", "type=oci,dest="+filepath.Join(w.dir, "out", "image.tar"))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if tc.code == 130 {
				await(t, output, "begun\n")
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if code := cmd.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("%s, %s: exit code %d, want %d:\n%s", u.about, tc.about, code, tc.code, output)
			}
			if diff := cmp.Diff(before, w.leftovers()); diff != "" {
				t.Errorf("%s, %s: left (-before +after)\n%s", u.about, tc.about, diff)
			}
			if left := children(t); left != "" {
				t.Errorf("%s, %s: still runs: %s", u.about, tc.about, left)
			}
			if _, err := os.Stat(filepath.Join(w.dir, "out", "image.tar")); (err == nil) != (tc.code == 0) {
				t.Errorf("%s, %s: the result: %v", u.about, tc.about, err)
			}
			if err := os.RemoveAll(filepath.Join(w.dir, "out", "image.tar")); err != nil {
				t.Fatal(err)
			}
			if list, err := os.ReadDir(filepath.Join(w.dir, "out")); err != nil || len(list) > 0 {
				t.Errorf("%s, %s: beside the result is %v, %v", u.about, tc.about, list, err)
			}
		}
	}
}

type user struct {
	about  string
	user   uint32
	runner string
}

// users returns the combinations of user and runner with which tests run slipway. If the test
// process does not run as root, it returns only combinations with the current user.
func users() []user {
	self := uint32(os.Geteuid())
	list := []user{{"portable runner", self, "portable"}, {"namespaces", self, "namespace"}}
	if self == 0 {
		list = append(list, user{"rootless", 65534, "namespace"}, user{"portable runner of a user", 65534, "portable"})
	}
	return list
}

// await waits until the output of a command contains the given text. If the text does not appear
// in time, it fails the test.
func await(t *testing.T, output *lockedBuffer, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(output.String(), text); {
		if time.Now().After(end) {
			t.Fatalf("the output never contains %q:\n%s", text, output)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// children waits up to five seconds until this process has no running child processes, because
// killed processes take a moment to exit. It returns the command lines of the processes that
// still run, or "" if all have exited.
func children(t *testing.T) string {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; {
		for {
			if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
				break
			}
		}
		var left []string
		tasks, err := filepath.Glob("/proc/self/task/*/children")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range tasks {
			data, _ := os.ReadFile(f) // the thread may have exited
			for pid := range strings.FieldsSeq(string(data)) {
				line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
				left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, ", ")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestUnreadable checks that an unreadable file in the context is an error only if an
// instruction copies it.
func TestUnreadable(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	list := users()
	u := list[len(list)-1]
	w := newEnvironment(t, u.user, u.runner)
	context := filepath.Join(w.dir, "cwd", "context")
	testcontext.Write(t, context, map[string]string{"a.txt": "x", "secret": "x", "closed/file": "x"})
	for _, name := range []string{"secret", "closed"} {
		if err := os.Chmod(filepath.Join(context, name), 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(context, name), 0o700) })
	}
	for from, want := range map[string]string{
		"a.txt": "", "*.txt": "", "base/bin": "", "secret": "secret: permission denied", "closed": "closed: permission denied", ".": "permission denied",
	} {
		cmd, output := w.command("FROM scratch\n\nCOPY " + from + " /\n")
		err := cmd.Run()
		text := output.String()
		switch {
		case want == "" && err != nil:
			t.Errorf("COPY %s: %v:\n%s", from, err, text)
		case want != "" && (err == nil || !strings.Contains(text, want) || !strings.Contains(text, "Dockerfile:3:1: error: ")):
			t.Errorf("COPY %s: %v, want %s at Dockerfile:3:\n%s", from, err, want, text)
		}
	}
}

// TestReproducible checks that builds of the same input write the same bytes, regardless of
// user, directory, time and runner.
func TestReproducible(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	const dockerfile = `FROM scratch AS made
COPY base /
RUN mkdir /made && cat /bin/sh > /made/file && chmod 600 /made/file && touch /made/empty
FROM scratch
COPY --from=made /made /made
COPY --chmod=640 base/bin/sh /
WORKDIR /work
COPY <<EOF /text
text
EOF
`
	sums := map[string]map[string]string{} // kind of archive → digest → user
	for i, u := range users() {
		w := newEnvironment(t, u.user, u.runner)
		w.umask = []int{0o022, 0o077, 0o002, 0o027}[i]
		w.env = []string{fmt.Sprintf("GOMAXPROCS=%d", 1+i), fmt.Sprintf("TZ=Etc/GMT-%d", i)}
		stamp := time.Unix(int64(1e9+i), 0)
		if err := os.Chtimes(filepath.Join(w.dir, "cwd", "context", "base", "bin", "sh"), stamp, stamp); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"oci", "docker", "tar"} {
			file := filepath.Join(w.dir, "out", kind)
			cmd, output := w.command(dockerfile, "--build-arg", "SOURCE_DATE_EPOCH=1000000000", "-t", "x", "-o", "type="+kind+",rewrite-timestamp=true,dest="+file)
			if err := cmd.Run(); err != nil {
				t.Fatalf("%s: %v:\n%s", u.about, err, output)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if sums[kind] == nil {
				sums[kind] = map[string]string{}
			}
			sums[kind][u.about] = fmt.Sprintf("%x", sha256.Sum256(data))
		}
	}
	for kind, made := range sums {
		var distinct []string
		for _, sum := range made {
			if !slices.Contains(distinct, sum) {
				distinct = append(distinct, sum)
			}
		}
		if len(distinct) != 1 {
			t.Errorf("archives of the type %s differ: %v", kind, made)
		}
	}
}
