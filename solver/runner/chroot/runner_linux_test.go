package chroot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// TestMain runs this program as the supervisor and as processes of steps, and as a builder that
// tests kill.
func TestMain(m *testing.M) {
	Main()
	if os.Getenv(builderVar) != "" {
		runBuilder()
		return
	}
	code := m.Run()
	if image.dir != "" {
		_ = tree.RemoveAll(image.dir)
	}
	os.Exit(code)
}

// fixture is a runner with the tree of a root file system that contains a shell.
type fixture struct {
	*Runner
	root *tree.Node
}

// image is the fixture that all tests start with. It has no runner.
var image = struct {
	once sync.Once
	dir  string // contains the store
	*fixture
}{}

// newFixture returns a runner and a root with the host's shell and a few programs.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	if err := Available(); err != nil {
		t.Fatalf("this test needs the privileges of root: %v", err)
	}
	image.once.Do(func() {
		image.dir = testtree.Must(os.MkdirTemp("", "chroot-test-")) //nolint:usetesting // all tests share it
		s := testtree.Must(tree.OpenStore(image.dir))
		image.fixture = &fixture{&Runner{store: s}, tree.Empty()}
		for _, name := range []string{"sh", "ls", "rm", "mv", "ln", "cat", "chown", "touch", "mkdir", "sleep", "id", "mknod", "stat"} {
			image.install(t, "bin/"+name, testtree.Must(exec.LookPath(name)))
		}
		image.write(t, "etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\nme:x:12:34::/home/me:/bin/sh\n")
	})
	r, err := New(t.TempDir(), image.store, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{r, image.root}
}

// write adds a file with the given path, mode and content to the root, and creates missing
// directories.
func (w *fixture) write(t *testing.T, name string, mode uint32, data string) {
	t.Helper()
	e := tree.Edit(w.root)
	_, err := e.MkdirAll(filepath.Dir(name), tree.Meta{Mode: 0o755, ModTime: time.Unix(1000, 0).UTC()})
	n := tree.NewFile(tree.Meta{Mode: mode, ModTime: time.Unix(1000, 7).UTC()}, testtree.Must(w.store.PutBytes([]byte(data))))
	if err = errors.Join(err, e.Put(name, n)); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
}

// install adds a program of the host with its libraries to the root.
func (w *fixture) install(t *testing.T, target, program string) {
	t.Helper()
	files := map[string]string{target: program}
	out, _ := exec.Command("ldd", program).Output() // fails for a static program
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "/") {
			files[strings.TrimPrefix(word, "/")] = word
		}
	}
	for name, from := range files {
		w.write(t, name, 0o755, string(testtree.Must(os.ReadFile(from))))
	}
}

// process returns a process that runs a shell script in the root.
func (w *fixture) process(script string, mounts ...runner.Mount) *runner.Process {
	root := runner.Mount{Kind: runner.MountTree, Target: "/", Tree: w.root, Output: true}
	return &runner.Process{
		Args: []string{"/bin/sh", "-c", script}, Dir: "/", Env: []string{"PATH=/bin"},
		Sandbox: runner.Sandbox{Mounts: append([]runner.Mount{root}, mounts...)},
	}
}

// run runs a process and returns its output and the resulting trees. It checks that no file of
// the step is left.
func (w *fixture) run(t *testing.T, p *runner.Process) (string, []*tree.Node, error) {
	t.Helper()
	var out bytes.Buffer
	p.Stdout, p.Stderr = &out, &out
	trees, err := w.Run(t.Context(), p)
	if left := testtree.Must(os.ReadDir(w.Runner.dir)); len(left) > 0 {
		t.Errorf("the step left %v", left)
	}
	return out.String(), trees, err
}

// mustRun is like run, but ends the test if the process fails.
func (w *fixture) mustRun(t *testing.T, p *runner.Process) (string, []*tree.Node) {
	t.Helper()
	out, trees, err := w.run(t, p)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out, trees
}

// content returns the content of a file, or "-" if it does not exist.
func (w *fixture) content(t *testing.T, n *tree.Node, name string) string {
	t.Helper()
	if n = testtree.Must(n.Get(name)); n == nil {
		return "-"
	}
	f := testtree.Must(w.store.Open(n.Blob()))
	defer f.Close()
	return string(testtree.Must(io.ReadAll(f)))
}

// TestUnchanged checks that a step that changes nothing has the root as its result, with the
// system directories that it lacked.
func TestUnchanged(t *testing.T) {
	w := newFixture(t)
	_, first := w.mustRun(t, w.process("echo > /dev/null; ls /proc/cpuinfo"))
	for _, name := range []string{"proc", "dev", "sys"} {
		if n := testtree.Must(first[0].Get(name)); n == nil || !n.IsEmpty() {
			t.Errorf("/%s is %v in the result, want an empty directory", name, n)
		}
	}
	w.root = first[0]
	_, second := w.mustRun(t, w.process("echo > /dev/null"))
	if !second[0].Same(w.root) {
		t.Error("the second step changed the root")
	}
}

// TestChanges checks that the result contains all kinds of changes, and that the store still
// has the original content.
func TestChanges(t *testing.T) {
	w := newFixture(t)
	for _, name := range []string{"a/x", "b/x", "kept", "changed", "gone", "size"} {
		w.write(t, name, 0o640, "old "+name)
	}
	link := testtree.Must(w.root.Get("kept")).WithInode("i")
	e := tree.Edit(w.root)
	zero := tree.NewDevice(tree.CharDevice, tree.Meta{Mode: 0o666, UID: 3}, tree.Device{Major: 1, Minor: 5})
	half := testtree.Must(w.root.Get("changed")).WithInode("h")
	if err := errors.Join(e.Put("kept", link), e.Put("kept2", link), e.Put("changed", half), e.Put("other", half), e.Put("zero", zero)); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	_, trees := w.mustRun(t, w.process(`echo new >> /changed; rm /gone; mv /a /t; mv /b /a; mv /t /b; printf 'new size' > /size
touch -d @1000.000000007 /size; mkdir /dir; ln /dir /none 2>/dev/null; echo x > /dir/f; ln /dir/f /dir/g; chown 12:34 /dir/f; mknod /whiteout c 0 0`))
	n := trees[0]
	for name, want := range map[string]string{
		"changed": "old changednew\n", "other": "old changed", "gone": "-", "a/x": "old b/x", "b/x": "old a/x", "size": "new size", "kept": "old kept", "dir/f": "x\n", "whiteout": "-",
	} {
		if got := w.content(t, n, name); got != want {
			t.Errorf("%s: content %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"kept", "kept2", "zero", "other"} {
		if got, want := testtree.Must(n.Get(name)), testtree.Must(w.root.Get(name)); !got.Same(want) {
			t.Errorf("%s: %v, want the unchanged node", name, got)
		}
	}
	if m := testtree.Must(n.Get("dir/g")).Meta(); m.UID != 12 || m.GID != 34 {
		t.Errorf("/dir/g belongs to %d:%d, want 12:34", m.UID, m.GID)
	}
	if got := w.content(t, w.root, "changed"); got != "old changed" {
		t.Errorf("the store has content %q, want that of the base", got)
	}
}

// TestDevices checks that a step cannot use devices of the image, that the result still contains
// them, and that /dev has the same names as with BuildKit.
func TestDevices(t *testing.T) {
	w := newFixture(t)
	disk := tree.NewDevice(tree.BlockDevice, tree.Meta{Mode: 0o666}, tree.Device{Major: 8})
	e := tree.Edit(w.root)
	if err := e.Put("disk", disk); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	out, trees := w.mustRun(t, w.process("ls /disk 2>/dev/null; : < /dev/zero; echo x > /dev/null; echo $(ls /dev)"))
	const names = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero\n"
	if n := testtree.Must(trees[0].Get("disk")); out != names || n == nil || !n.Same(disk) {
		t.Errorf("the step sees %q, and the result contains %v, want %q and the device", out, n, names)
	}
}

// TestMounts checks that a step sees each kind of mount, that mounts hide files only while the
// step runs, and which trees they return.
func TestMounts(t *testing.T) {
	w := newFixture(t)
	w.write(t, "src/sub/file", 0o644, "file")
	w.write(t, "hidden/below", 0o600, "below")
	_, trees := w.mustRun(t, w.process(":"))
	w.root = trees[0]
	cache := filepath.Join(t.TempDir(), "data")
	if err := errors.Join(os.Mkdir(cache, 0o711), os.WriteFile(filepath.Join(cache, "f"), []byte("1"), 0o600)); err != nil {
		t.Fatal(err)
	}
	p := w.process(`set -e; cat /hidden/sub/file /run/secrets/s; stat -c ' %a %u' /run/secrets/s; echo 2 > /cache/g; cat /cache/f; ls /tmp/t; echo > /tmp/t/x; echo out > /out/new; stat -c ' %F' /agent; cat /etc/hosts; echo >> /etc/hosts`,
		runner.Mount{Kind: runner.MountTree, Target: "/hidden", Tree: w.root, Source: "/src", ReadOnly: true},
		runner.Mount{Kind: runner.MountTree, Target: "/out", Tree: w.root, Source: "/src/sub", Output: true},
		runner.Mount{Kind: runner.MountFile, Target: "/run/secrets/s", Data: []byte("hush"), UID: 5, Mode: 0o400},
		runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: cache},
		runner.Mount{Kind: runner.MountTmpfs, Target: "/tmp/t"},
		runner.Mount{Kind: runner.MountSocket, Target: "/agent", Mode: 0o600, Serve: func(context.Context, net.Conn) {}},
	)
	p.Hosts = []runner.Host{{Name: "other", IP: "10.1.2.3"}}
	out, trees := w.mustRun(t, p)
	if want := "filehush 400 5\n1 socket\n"; !strings.HasPrefix(out, want) || !strings.Contains(out, "10.1.2.3\tother") {
		t.Errorf("output %q, want %q and the host", out, want)
	}
	if !trees[0].Same(w.root) {
		t.Errorf("the step changed the root: %v", names(t, trees[0]))
	}
	if got := w.content(t, trees[2], "src/sub/new"); got != "out\n" {
		t.Errorf("/out/new: content %q, want %q", got, "out\n")
	}
	info := testtree.Must(os.Stat(cache))
	for name, want := range map[string]string{"f": "1", "g": "2\n"} {
		if got := string(testtree.Must(os.ReadFile(filepath.Join(cache, name)))); got != want || info.Mode().Perm() != 0o711 {
			t.Errorf("cache: mode %v, %s has content %q, want %q", info.Mode(), name, got, want)
		}
	}
}

// names returns the names of all entries of a directory.
func names(t *testing.T, n *tree.Node) (list []string) {
	t.Helper()
	for _, e := range testtree.Must(n.Entries()) {
		list = append(list, e.Name)
	}
	return list
}

// TestUsedStubs checks which directories of mount points are part of the result.
func TestUsedStubs(t *testing.T) {
	w := newFixture(t)
	for _, tc := range []struct {
		keep bool
		want string
	}{{false, "[used]"}, {true, "[unused used]"}} {
		p := w.process("echo > /stub/used/f",
			runner.Mount{Kind: runner.MountTmpfs, Target: "/stub/used/m"}, runner.Mount{Kind: runner.MountTmpfs, Target: "/stub/unused/m"})
		p.KeepMountParents = tc.keep
		_, trees := w.mustRun(t, p)
		if got := fmt.Sprint(names(t, testtree.Must(trees[0].Get("stub")))); got != tc.want {
			t.Errorf("keep %t: /stub has entries %s, want %s", tc.keep, got, tc.want)
		}
	}
}

// TestRefusals checks the errors for steps that this runner cannot run as a kernel would.
func TestRefusals(t *testing.T) {
	w := newFixture(t)
	secret := runner.Mount{Kind: runner.MountFile, Target: "/secret", Data: []byte("hush"), Mode: 0o400}
	bind := runner.Mount{Kind: runner.MountTree, Target: "/m", Tree: w.root, ReadOnly: true}
	cache := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: cache}
	again := dir
	again.Target = "/again"
	for _, tc := range []struct {
		script string
		mounts []runner.Mount
		change func(*runner.Process)
		want   string
	}{
		{"mv /secret /other", []runner.Mount{secret}, nil, "mount /secret: the step moved or linked the mounted file"},
		{"ln /secret /other; rm /secret", []runner.Mount{secret}, nil, "mount /secret: the step moved or linked the mounted file"},
		{"rm /secret", []runner.Mount{secret}, nil, ""},
		{"echo > /m/new", []runner.Mount{bind}, nil, "mount /m: the step changed a read-only mount"},
		{"ls /m", []runner.Mount{bind}, nil, ""},
		{":", []runner.Mount{{Kind: runner.MountFile, Target: "/bin", Mode: 0o400}}, nil, "mount /bin: a file cannot be mounted over a directory"},
		{":", []runner.Mount{{Kind: runner.MountTmpfs, Target: "/etc/passwd"}}, nil, "mount /etc/passwd: a directory cannot be mounted over a file"},
		{":", []runner.Mount{{Kind: runner.MountTree, Target: "/bin", Tree: w.root, Source: "/etc/passwd"}}, nil, "mount /bin: a file cannot be mounted over a directory"},
		{":", []runner.Mount{{Kind: runner.MountDir, Target: "/etc/passwd", HostPath: cache}}, nil, "mount /etc/passwd: a directory cannot be mounted over a file"},
		{"mv /cache /other", []runner.Mount{dir}, nil, "mount /cache: the step moved or removed"},
		{":", []runner.Mount{dir, again}, nil, "mount /again: the chroot runner mounts each directory of a cache at one path"},
		{":", nil, func(p *runner.Process) { p.Network = runner.NetworkNone }, "the chroot runner cannot run a step without network (use --runner namespace, or accept it with --unisolated network)"},
		{":", nil, func(p *runner.Process) { p.Hostname = "h" }, `the chroot runner cannot set the host name "h"`},
		{":", nil, func(p *runner.Process) { p.Resources.Memory = 1 << 20 }, "the chroot runner cannot limit the resources of a step"},
		{":", nil, func(p *runner.Process) { p.Terminal = true }, "the chroot runner has no terminals"},
		{":", []runner.Mount{{Kind: runner.MountTmpfs, Target: "/proc"}}, nil, "mount /proc: cannot be mounted because it is inside /proc"},
		{":", []runner.Mount{{Kind: runner.MountTmpfs, Target: "/proc/x"}}, nil, "mount /proc/x: cannot be mounted because it is inside /proc"},
		{":", nil, func(p *runner.Process) { p.Args = []string{"/none"} }, "exec: \"/none\": stat /none: no such file or directory"},
		{"exit 3", nil, nil, `process "/bin/sh -c exit 3" did not complete successfully: exit code: 3`},
		{"kill -9 $$", nil, nil, `process "/bin/sh -c kill -9 $$" did not complete successfully: exit code: 137`},
	} {
		p := w.process(tc.script, tc.mounts...)
		if tc.change != nil {
			tc.change(p)
		}
		out, _, err := w.run(t, p)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: error %v\n%s", tc.script, err, out)
		case tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)):
			t.Errorf("%s: error %v, want %s\n%s", tc.script, err, tc.want, out)
		}
	}
	w.accept = []Isolation{Network, Hostname}
	p := w.process(":")
	p.Network, p.Hostname = runner.NetworkNone, "h"
	w.mustRun(t, p)
}

// TestUser checks the user, groups, home and working directory of a process.
func TestUser(t *testing.T) {
	w := newFixture(t)
	p := w.process("id -u; id -g; id -G; echo $HOME $PWD; stat -c %u:%g .")
	p.User, p.Dir, p.Groups = "me", "/new/dir", []uint32{99}
	out, trees := w.mustRun(t, p)
	if want := "12\n34\n34 99\n/home/me /new/dir\n12:34\n"; out != want {
		t.Errorf("output %q, want %q", out, want)
	}
	if testtree.Must(trees[0].Get("new/dir")) == nil {
		t.Error("the result lacks the working directory")
	}
}

// TestCanceled checks that a canceled step ends with all its processes, and that the cache
// mount is intact.
func TestCanceled(t *testing.T) {
	w := newFixture(t)
	cache := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	r, out := io.Pipe()
	p := w.process("echo > /cache/f; echo; sleep 1000", runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: cache})
	p.Stdout = out
	go func() {
		_, _ = r.Read(make([]byte, 1))
		cancel(reason)
		_, _ = io.Copy(io.Discard, r)
	}()
	if _, err := w.Run(ctx, p); !errors.Is(err, reason) {
		t.Errorf("error %v, want %v", err, reason)
	}
	if _, err := os.Stat(filepath.Join(cache, "f")); err != nil {
		t.Error(err)
	}
}

// builderVar is the environment variable with the directory of a fixture in which this program
// runs as a builder.
const builderVar = "SLIPWAY_TEST_BUILDER"

// runBuilder runs a step with a secret and a cache mount that does not end.
func runBuilder() {
	testing.Init()
	dir := os.Getenv(builderVar)
	s := testtree.Must(tree.OpenStore(filepath.Join(dir, "store")))
	r := testtree.Must(New(filepath.Join(dir, "chroot"), s, nil))
	n := testtree.Must(tree.HostReader{Store: s}.ReadDir(context.Background(), filepath.Join(dir, "image")))
	w := &fixture{r, n}
	p := w.process("echo > /cache/f; echo started; sleep 1000",
		runner.Mount{Kind: runner.MountFile, Target: "/secret", Data: []byte("hush"), Mode: 0o400},
		runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: filepath.Join(dir, "cache")})
	p.Stdout = os.Stdout
	_, err := r.Run(context.Background(), p)
	fmt.Println(err)
}

// TestKilled checks that nothing of a step is left after its builder was killed: no process, no
// secret, and no root. The cache mount is intact.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	w := newFixture(t)
	files := filepath.Join(dir, "image")
	if err := errors.Join(os.Mkdir(files, 0o755), os.Mkdir(filepath.Join(dir, "cache"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteDir(t.Context(), files, w.root, w.store, tree.HostOptions{Owners: true}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testtree.Must(os.Executable()))
	cmd.Env = append(os.Environ(), builderVar+"="+dir)
	out := testtree.Must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, len("started\n"))
	if _, err := io.ReadFull(out, text); err != nil || string(text) != "started\n" {
		t.Fatalf("the builder wrote %q, error %v", text, err)
	}
	run := filepath.Join(dir, "chroot", "run")
	if found := testtree.Must(filepath.Glob(filepath.Join(run, "*", "root", "secret"))); len(found) != 1 {
		t.Errorf("the step sees %v, want one secret", found)
	}
	_ = cmd.Process.Kill()
	_, _ = io.Copy(io.Discard, out) // ends when no process has the pipe open
	_ = cmd.Wait()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		left := testtree.Must(os.ReadDir(run))
		if len(left) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the killed builder left %v", left)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "cache", "f")); err != nil {
		t.Error(err)
	}
}

// TestRestore checks that the files of cache mounts are moved back if the builder was killed while
// the root of a step contained them: by the supervisor if the process had not started, and
// otherwise by the next build.
func TestRestore(t *testing.T) {
	for _, bySupervisor := range []bool{true, false} {
		w := newFixture(t)
		cache, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "file")
		work := filepath.Join(w.Runner.dir, "x")
		s := &step{r: w.Runner, p: w.process(":"), ctx: t.Context(), work: work, root: filepath.Join(work, "root")}
		err := errors.Join(os.Mkdir(cache, 0o711), os.WriteFile(filepath.Join(cache, "f"), nil, 0o600), os.WriteFile(file, []byte("x"), 0o640), os.MkdirAll(s.root, 0o755))
		if err != nil {
			t.Fatal(err)
		}
		for i, source := range []string{cache, file} {
			pl, err := s.add(fmt.Sprintf("/c%d", i), i)
			if err == nil {
				err = s.placeCache(pl, source)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := pl.parent.Close(); err != nil {
				t.Error(err)
			}
		}
		if bySupervisor {
			(&watch{work: work}).clean()
			if left := testtree.Must(os.ReadDir(w.Runner.dir)); len(left) > 0 {
				t.Errorf("the supervisor left %v", left)
			}
		}
		for range 2 {
			if err := Restore(filepath.Dir(w.Runner.dir)); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(filepath.Join(cache, "f")); err != nil {
			t.Error(err)
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != "x" {
			t.Errorf("the file has content %q, error %v, want x", data, err)
		}
	}
}

// TestMissingPrivileges checks that errors name the settings of each system.
func TestMissingPrivileges(t *testing.T) {
	err := explainMissing(1000, false, nil)
	for _, want := range []string{"user ID 1000", "docker run --user 0", "runAsUser: 0", "GitLab"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	err = explainMissing(0, false, []string{"CAP_CHOWN", "CAP_MKNOD"})
	for _, want := range []string{"lacks: CAP_CHOWN, CAP_MKNOD", "--cap-add CHOWN --cap-add MKNOD", "add: [CHOWN, MKNOD]", `cap_add = ["CHOWN", "MKNOD"]`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if err := explainMissing(0, true, nil); err == nil || !strings.Contains(err.Error(), "user namespace") {
		t.Errorf("error %v, want that of a user namespace", err)
	}
	if err := explainMissing(0, false, nil); err != nil {
		t.Errorf("error %v, want none", err)
	}
}
