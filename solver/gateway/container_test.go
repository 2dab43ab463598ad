package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/gateway"
	"slipway/solver/hostmount"
	"slipway/solver/runner/script"
)

// solve solves the LLB state st and returns a reference to the result.
func solve(t *testing.T, c client.Client, st llb.State) client.Reference {
	t.Helper()
	def, err := st.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB()})
	if err != nil {
		t.Fatal(err)
	}
	return res.Ref
}

// root starts a container whose root file system is the result of the LLB state st. The
// parameter more contains additional mounts.
func root(t *testing.T, c client.Client, st llb.State, more ...client.Mount) client.Container {
	t.Helper()
	mounts := append([]client.Mount{{Dest: "/", MountType: pb.MountType_BIND, Ref: solve(t, c, st)}}, more...)
	box, err := c.NewContainer(t.Context(), client.NewContainerRequest{Mounts: mounts, Hostname: "here"})
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// nopCloser is an [io.WriteCloser] whose Close method has no effect.
type nopCloser struct{ io.Writer }

// Close implements [io.Closer].
func (nopCloser) Close() error { return nil }

// TestContainer checks that several processes in a container share files, use their
// streams, receive signals, and return exit codes. The frontend uses the client directly, or
// over a connection.
func TestContainer(t *testing.T) {
	t.Run("direct", func(t *testing.T) { testContainer(t, func(c *gateway.Client) client.Client { return c }) })
	t.Run("connection", func(t *testing.T) {
		testContainer(t, func(c *gateway.Client) client.Client {
			over, _ := connect(t, c)
			return over
		})
	})
}

func testContainer(t *testing.T, clientFor func(*gateway.Client) client.Client) {
	m := newTestSolver(t,
		script.Step{Run: "init", Do: func(ctx context.Context, c *script.Call) error {
			_, err := io.Copy(io.Discard, c.Stdin)
			return err
		}},
		script.Step{Run: "cat > *", Do: func(_ context.Context, c *script.Call) error {
			data, err := io.ReadAll(c.Stdin)
			return errors.Join(err, c.WriteFile(c.Args[2][len("cat > "):], string(data)))
		}},
		script.Step{Run: "cat *", Do: func(_ context.Context, c *script.Call) error {
			data, err := c.ReadFile(c.Args[2][len("cat "):])
			if err == nil {
				_, err = c.Stdout.Write(data)
			}
			return err
		}},
		script.Step{Run: "fail", Exit: 99},
		script.Step{Run: "wait", Delay: time.Hour},
	)
	c := clientFor(m.client(t.TempDir(), nil))
	base := llb.Scratch().File(llb.Mkfile("/old", 0o600, []byte("old")).Mkdir("/d", 0o755))
	other := llb.Scratch().File(llb.Mkfile("/there", 0o644, nil))
	box := root(t, c, base, client.Mount{Dest: "/m", MountType: pb.MountType_BIND, Ref: solve(t, c, other)})
	run := func(script string, in io.ReadCloser, out io.Writer) client.ContainerProcess {
		t.Helper()
		req := client.StartRequest{Args: []string{"sh", "-c", script}, Stdin: in}
		if out != nil {
			req.Stdout = nopCloser{out}
		}
		p, err := box.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	in, end := io.Pipe()
	first := run("init", in, nil)
	if err := run("cat > /m/new", io.NopCloser(strings.NewReader("text")), nil).Wait(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run("cat /m/new", nil, &out).Wait(); err != nil || out.String() != "text" {
		t.Errorf("read %q, %v", &out, err)
	}
	var exit *gwpb.ExitError
	if err := run("fail", nil, nil).Wait(); !errors.As(err, &exit) || exit.ExitCode != 99 || err.Error() != "exit code: 99" {
		t.Errorf("process with exit code 99: error %v", err)
	}
	p := run("wait", nil, nil)
	if err := p.Signal(t.Context(), syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode != 128+15 {
		t.Errorf("process after SIGTERM: error %v", err)
	}
	data, err := box.ReadFile(t.Context(), client.ReadContainerRequest{MountIndex: 1, ReadRequest: client.ReadRequest{Filename: "/new", Range: &client.FileRange{Offset: 1, Length: 2}}})
	if err != nil || string(data) != "ex" {
		t.Errorf("range of a file that a process wrote: %q, %v", data, err)
	}
	left := run("wait", nil, nil)
	end.Close()
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
	if err := left.Wait(); err == nil {
		t.Error("a process survives the first process of the container")
	}
	if err := box.Release(t.Context()); !errors.As(err, &exit) || exit.ExitCode != 99 {
		t.Errorf("Release returns %v, want the error from the first process that failed", err)
	}
	// Files that a container writes do not change the snapshot.
	if _, err := solve(t, c, other).StatFile(t.Context(), client.StatRequest{Path: "/new"}); err == nil || !strings.HasSuffix(err.Error(), "no such file or directory") {
		t.Errorf("the container changed a mounted snapshot: %v", err)
	}
}

// TestContainerFiles checks that files in a container can be read while no process runs,
// and that links do not lead out of a mount.
func TestContainerFiles(t *testing.T) {
	m := newTestSolver(t)
	c := m.client(t.TempDir(), nil)
	st := llb.Scratch().File(llb.Mkdir("/d", 0o755).Mkfile("/d/f", 0o640, []byte("data")).
		Symlink("f", "/d/link").Symlink("/d/f", "/d/abs").Symlink("../../d", "/d/up").Symlink("d", "/e"))
	box := root(t, c, st)
	defer func() {
		if err := box.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	read := func(name string) (string, error) {
		data, err := box.ReadFile(t.Context(), client.ReadContainerRequest{ReadRequest: client.ReadRequest{Filename: name}})
		return string(data), err
	}
	for name, want := range map[string]string{
		"/d/f": "", "/d/link": "", "/e/f": "", "/d/../d/f": "",
		"d/f":    "can't make d/f relative to /",
		"/d":     "open /d: not a regular file",
		"/gone":  "open /gone: no such file or directory",
		"/d/f/x": "lstat /d/f/x: not a directory",
		"/d/abs": "open /d/abs: path escapes from parent",
		"/d/up":  "open /d/up: path escapes from parent",
	} {
		data, err := read(name)
		if want == "" && (err != nil || data != "data") || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%s: %q, %v; want error %q", name, data, err, want)
		}
	}
	link, err := box.StatFile(t.Context(), client.StatContainerRequest{StatRequest: client.StatRequest{Path: "/d/abs"}})
	if err != nil || link.Linkname != "/d/f" || link.Size != 4 || link.Path != "abs" {
		t.Errorf("stat a link that leads out of the mount: %v, %v", link, err)
	}
	list, err := box.ReadDir(t.Context(), client.ReadDirContainerRequest{ReadDirRequest: client.ReadDirRequest{Path: "/e"}})
	if err != nil || len(list) != 4 || list[1].Path != "f" {
		t.Errorf("listed %v, %v", list, err)
	}
	if _, err := box.StatFile(t.Context(), client.StatContainerRequest{MountIndex: 1}); err == nil || err.Error() != "mount index 1 is out of bounds (1 available)" {
		t.Errorf("mount that does not exist: error %v", err)
	}
}

// TestContainerRequests checks that every invalid request fails. As in BuildKit, some
// errors come from the request itself, others from the Wait method of the process.
func TestContainerRequests(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "*"})
	c := m.client(t.TempDir(), nil)
	for want, req := range map[string]client.NewContainerRequest{
		"root mount is required":              {},
		"invalid mount type TMPFS for /":      {Mounts: []client.Mount{{Dest: "/", MountType: pb.MountType_TMPFS}}},
		"failed to parse IP nowhere":          {ExtraHosts: []*pb.HostIP{{Host: "a", IP: "nowhere"}}},
		`failed to find ref id for "/" mount`: {Mounts: []client.Mount{{Dest: "/", ResultID: "id"}}},
		"mount /s: secret s: not found":       {Mounts: []client.Mount{{Dest: "/"}, {Dest: "/s", MountType: pb.MountType_SECRET, SecretOpt: &pb.SecretOpt{ID: "s"}}}},
	} {
		if _, err := c.NewContainer(t.Context(), req); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	box, err := c.NewContainer(t.Context(), client.NewContainerRequest{Mounts: []client.Mount{{Dest: "/"}}, NetMode: pb.NetMode_HOST})
	if err != nil {
		t.Fatal(err)
	}
	p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil || err.Error() != "network.host is not allowed" {
		t.Errorf("process on the host network: error %v", err)
	}
	box, err = c.NewContainer(t.Context(), client.NewContainerRequest{Mounts: []client.Mount{{Dest: "/"}}})
	if err != nil {
		t.Fatal(err)
	}
	for want, mode := range map[string]pb.SecurityMode{"invalid security mode 2": 2, "security.insecure is not allowed": pb.SecurityMode_INSECURE} {
		p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"x"}, SecurityMode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err == nil || err.Error() != want {
			t.Errorf("security mode %d: %v", mode, err)
		}
	}
	if _, err := box.Start(t.Context(), client.StartRequest{Args: []string{"x"}, SecretEnv: []*pb.SecretEnv{{Name: "S"}}}); err == nil {
		t.Error("no error for a secret without an ID")
	}
}

// TestContainerEnv checks that a process gets the requested environment and the variables
// that BuildKit adds.
func TestContainerEnv(t *testing.T) {
	var env []string
	var host, dir string
	m := newTestSolver(t, script.Step{Run: "x", Do: func(_ context.Context, c *script.Call) error {
		env, host, dir = c.Env, c.Hostname, c.Dir
		return nil
	}})
	c := m.client(t.TempDir(), nil)
	box := root(t, c, llb.Scratch())
	p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"x"}, Env: []string{"A=b"}, Tty: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	want := []string{"A=b", "TERM=xterm", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	if !slices.Equal(env, want) || host != "here" || dir != "/" {
		t.Errorf("environment %q on %s in %s", env, host, dir)
	}
	if err := box.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestContainerPlatform checks that the default PATH in a container is that of its platform, and that
// processes run whatever the platform is, as in BuildKit.
func TestContainerPlatform(t *testing.T) {
	var env []string
	m := newTestSolver(t, script.Step{Run: "x", Do: func(_ context.Context, c *script.Call) error {
		env = c.Env
		return nil
	}})
	c := m.client(t.TempDir(), nil)
	for os, want := range map[string]string{
		"linux":   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"windows": `PATH=c:\Windows\System32;c:\Windows;C:\Windows\System32\WindowsPowerShell\v1.0`,
	} {
		box, err := c.NewContainer(t.Context(), client.NewContainerRequest{
			Platform: &pb.Platform{OS: os},
			Mounts:   []client.Mount{{Dest: "/", MountType: pb.MountType_BIND, Ref: solve(t, c, llb.Scratch().File(llb.Mkdir("/d", 0o755)))}},
		})
		if err != nil {
			t.Fatal(err)
		}
		p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"x"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(env, []string{want}) {
			t.Errorf("platform %s: environment %q, want %q", os, env, want)
		}
		if err := box.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestExecError checks that the error from a failed step contains the operation and two
// IDs for each mount of the step: one for the files before the step, one for the files
// after the failure. It also checks that a container can mount the files with these IDs.
func TestExecError(t *testing.T) {
	m := newTestSolver(t,
		script.Step{Run: "fail", Files: map[string]string{"/root": "written", "/rw/f": "written", "/forgotten/f": "written"}, Exit: 4},
		script.Step{Run: "look", Do: func(_ context.Context, c *script.Call) error {
			for _, name := range []string{"/root", "/rw/f", "/rw/old", "/forgotten/f", "/ro/old"} {
				if _, err := c.ReadFile(name); err != nil {
					return err
				}
			}
			return nil
		}},
	)
	c := m.client(t.TempDir(), nil)
	old := llb.Scratch().File(llb.Mkfile("/old", 0o644, nil))
	st := llb.Scratch().Run(llb.Args([]string{"fail"}), llb.AddMount("/rw", old), llb.AddMount("/ro", old, llb.Readonly),
		llb.AddMount("/forgotten", llb.Scratch(), llb.ForceNoOutput), llb.WithCustomName("the step")).Root()
	def, err := st.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB(), Evaluate: true})
	var failed *errdefs.SolveError
	if !errors.As(err, &failed) || failed.Description["llb.customname"] != "the step" {
		t.Fatalf("error %v", err)
	}
	exec := failed.Op.GetExec()
	if len(exec.GetMounts()) != 4 || len(failed.InputIDs) != 4 || len(failed.MountIDs) != 4 {
		t.Fatalf("mounts %v, inputs %q, mounts %q", exec, failed.InputIDs, failed.MountIDs)
	}
	run := func(ids []string) error {
		var mounts []client.Mount
		for i, mount := range exec.Mounts {
			mounts = append(mounts, client.Mount{Dest: mount.Dest, MountType: mount.MountType, Readonly: mount.Readonly, ResultID: ids[i]})
		}
		box, err := c.NewContainer(t.Context(), client.NewContainerRequest{Mounts: mounts})
		if err != nil {
			t.Fatal(err)
		}
		p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"look"}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Wait()
	}
	if err := run(failed.MountIDs); err != nil {
		t.Errorf("file that the step wrote, in its mount after the failure: %v", err)
	}
	if err := run(failed.InputIDs); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("file that the step wrote, in its input: %v, want not found", err)
	}
}

// TestContainerMounts checks every kind of mount in a container. When the context of a
// container ends, the processes of the container must end and its cache mounts must be
// unlocked, even if the frontend does not release the container.
func TestContainerMounts(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "first", Files: map[string]string{"/cache/kept": "x", "/tmp/t": "x"}},
		script.Step{Run: "second", Do: func(_ context.Context, c *script.Call) error {
			secret, err := c.ReadFile("/run/secrets/s")
			_, cached := c.ReadFile("/cache/kept")
			_, socket := c.ReadFile("/run/agent")
			if _, err := c.ReadFile("/tmp/t"); err == nil {
				t.Error("a file in a tmpfs mount outlived its process")
			}
			if string(secret) != "secret" || !slices.Contains(c.Env, "S=secret") {
				t.Errorf("secret %q, environment %q", secret, c.Env)
			}
			return errors.Join(err, cached, socket, c.WriteFile("/cache/more", ""))
		}},
		script.Step{Run: "wait", Delay: time.Hour},
	)
	m.mounts = &hostmount.Mounts{
		Dir: t.TempDir(), Store: m.store, Now: time.Now, Secrets: map[string][]byte{"s": []byte("secret")}, Agents: map[string]string{"default": "/nowhere"},
	}
	c := m.client(t.TempDir(), nil)
	mounts := []client.Mount{
		{Dest: "/cache", MountType: pb.MountType_CACHE, CacheOpt: &pb.CacheOpt{ID: "id", Sharing: pb.CacheSharingOpt_LOCKED}},
		{Dest: "/tmp", MountType: pb.MountType_TMPFS},
		{Dest: "/run/secrets/s", MountType: pb.MountType_SECRET, SecretOpt: &pb.SecretOpt{ID: "s", Mode: 0o400}},
		{Dest: "/run/agent", MountType: pb.MountType_SSH, SSHOpt: &pb.SSHOpt{}},
		{Dest: "/none", MountType: pb.MountType_SECRET, SecretOpt: &pb.SecretOpt{ID: "none", Optional: true}},
	}
	for _, command := range []string{"first", "second"} {
		box := root(t, c, llb.Scratch(), mounts...)
		p, err := box.Start(t.Context(), client.StartRequest{Args: []string{command}, SecretEnv: []*pb.SecretEnv{{ID: "s", Name: "S"}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Errorf("%s: %v", command, err)
		}
		if _, err := box.ReadFile(t.Context(), client.ReadContainerRequest{MountIndex: 1, ReadRequest: client.ReadRequest{Filename: "/kept"}}); err != nil {
			t.Errorf("%s: %v", command, err)
		}
		if _, err := box.ReadDir(t.Context(), client.ReadDirContainerRequest{MountIndex: 5, ReadDirRequest: client.ReadDirRequest{Path: "/"}}); err == nil || err.Error() != "mount /none is optional and not there" {
			t.Errorf("%s: mount that does not exist: error %v", command, err)
		}
		if err := box.Release(t.Context()); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	// This container is not released. It ends with its context, which also unlocks the
	// cache.
	ctx, cancel := context.WithCancel(t.Context())
	all := append([]client.Mount{{Dest: "/"}}, mounts[:1]...)
	box, err := c.NewContainer(ctx, client.NewContainerRequest{Mounts: all})
	if err != nil {
		t.Fatal(err)
	}
	p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"wait"}})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("process in a canceled container: error %v", err)
	}
	box = root(t, c, llb.Scratch(), mounts...)
	if err := box.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestContainerOutput checks that a process ends if its output cannot be written, even if
// the process waits for input.
func TestContainerOutput(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "x", Do: func(ctx context.Context, c *script.Call) error {
		_, _ = io.WriteString(c.Stdout, "text")
		<-ctx.Done()
		return context.Cause(ctx)
	}})
	c := m.client(t.TempDir(), nil)
	box := root(t, c, llb.Scratch())
	in, _ := io.Pipe()
	_, closed := io.Pipe()
	closed.Close()
	p, err := box.Start(t.Context(), client.StartRequest{Args: []string{"x"}, Stdin: in, Stdout: closed})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Wait returns %v", err)
	}
	if err := box.Release(t.Context()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Release returns %v", err)
	}
}
