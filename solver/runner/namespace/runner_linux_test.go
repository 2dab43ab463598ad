package namespace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"slipway/internal/slowtest"
	"slipway/internal/testtree"
	"slipway/solver/runner"
	"slipway/solver/runner/launch"
	"slipway/solver/runner/oci"
	"slipway/solver/tree"
)

// TestMain runs this program in its various roles: as processes of steps, as
// /bin/probe, and as the tests themselves, which may run as another user or as on an
// older kernel.
func TestMain(m *testing.M) {
	Main()
	probeMain()
	if err := errors.Join(becomeNobody(), Enter(), forbidCalls()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fixture is a runner with the tree of a root file system that contains a shell.
type fixture struct {
	*Runner
	root     *tree.Node
	storeDir string // directory of the store
}

// runtimeVar is the environment variable with the path of the OCI runtime that starts
// the processes of tests.
const runtimeVar = "SLIPWAY_TEST_RUNTIME"

// usesRuntime reports whether an OCI runtime starts the processes of tests.
func usesRuntime() bool { return os.Getenv(runtimeVar) != "" }

// newFixture returns a runner and a root with the host's shell, its libraries and
// /etc/passwd. The runner is closed when the test ends.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	if err := Available(t.Context()); err != nil {
		t.Fatalf("this test needs namespaces: %v", err)
	}
	storeDir := t.TempDir()
	s, err := tree.OpenStore(storeDir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(t.TempDir(), s)
	if name := os.Getenv(runtimeVar); name != "" && err == nil {
		r, err = NewOCI(t.TempDir(), s, oci.Runtime(name))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &fixture{r, tree.Empty(), storeDir}
	e := tree.Edit(nil)
	for _, name := range []string{"proc", "dev", "sys"} {
		if _, err := e.MkdirAll(name, tree.Meta{Mode: 0o755}); err != nil {
			t.Fatal(err)
		}
	}
	w.root = e.Tree()
	w.install(t, "bin/sh", "/bin/sh")
	w.write(t, "etc/passwd", 0o644, []byte("root:x:0:0::/root:/bin/sh\nme:x:12:34::/home/me:/bin/sh\n"))
	return w
}

// write adds a file with the given path, mode and content to the root, and creates missing
// directories.
func (w *fixture) write(t *testing.T, name string, mode uint32, data []byte) {
	t.Helper()
	b, err := w.store.PutBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(w.root)
	if _, err := e.MkdirAll(filepath.Dir(name), tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	if err := e.Put(name, tree.NewFile(tree.Meta{Mode: mode}, b)); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
}

// TestUser checks which IDs and home directory a process gets for each form of
// [runner.Process].User, with and without user databases in the image.
func TestUser(t *testing.T) {
	w := newFixture(t)
	w.write(t, "etc/passwd", 0o644, []byte("root:x:0:0::/root:/bin/sh\nme:x:12:34::/home/me:/bin/sh\nother:x:12:35::/home/other:/bin/sh\n"))
	w.write(t, "etc/group", 0o644, []byte("root:x:0:\nusers:x:100:me\nmore:x:101:me\n"))
	for _, tc := range []struct {
		name, want string // the IDs, or the error
		empty      bool   // the image has no user database
	}{
		{"", "{0 0 [0] /root}", false},
		{"", "{0 0 [0] /}", true},
		{"root:7", "{0 7 [7] /}", true},
		{"root:root", "{0 0 [0] /}", true},
		{"root:7", "{0 7 [7] /root}", false},
		{"12:root", "{12 0 [0] /home/me}", false},
		{"2147483647:2147483646", "{2147483647 2147483646 [2147483646] /}", false},
		{"2147483648:1", `user "2147483648:1": uids and gids must be in range 0-2147483647`, false},
		{"1:2147483648", `user "1:2147483648": uids and gids must be in range 0-2147483647`, false},
		{"me", "{12 34 [34 100 101] /home/me}", false},
		{"me:101", "{12 101 [101] /home/me}", false},
		{"other", "{12 35 [35] /home/me}", false},
		{"12", "{12 34 [34 100 101] /home/me}", false},
		{"nobody", `user "nobody": unable to find user nobody: no matching entries in passwd file`, false},
	} {
		root := w.root
		if tc.empty {
			root = tree.Empty()
		}
		id, err := launch.LookUp(w.store, root, tc.name)
		got := fmt.Sprint(id)
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("user %q, empty root %v: %s, want %s", tc.name, tc.empty, got, tc.want)
		}
	}
}

// install copies a host program and its libraries into the root file system of the step. The
// parameter target is the path of the copy in this file system.
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
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		w.write(t, name, 0o755, data)
	}
}

// process returns a process that runs a shell script in the root.
func (w *fixture) process(script string) *runner.Process {
	return &runner.Process{
		Args: []string{"/bin/sh", "-c", script}, Dir: "/", Env: []string{"PATH=/bin"},
		Sandbox: runner.Sandbox{Mounts: []runner.Mount{{Kind: runner.MountTree, Target: "/", Tree: w.root, Layers: []tree.LayerRef{tree.Layer{Lower: tree.Empty(), Upper: w.root}.Ref()}, Output: true}}},
	}
}

// run runs a process and returns its output and the resulting root. If the process
// fails, run ends the test.
func (w *fixture) run(t *testing.T, p *runner.Process) (string, *tree.Node) {
	t.Helper()
	var out bytes.Buffer
	p.Stdout, p.Stderr = &out, &out
	trees, err := w.Run(t.Context(), p)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String(), trees[0]
}

// TestChanges checks that the result contains the files that a process wrote, but no
// system files and no /etc/hosts. If the process changes nothing, the result is the
// original tree.
func TestChanges(t *testing.T) {
	w := newFixture(t)
	_, n := w.run(t, w.process("echo new > /file; echo x > /etc/passwd; umask 0; echo y > /etc/z"))
	changes := map[string]bool{}
	if err := tree.Diff(w.root, n, func(c tree.Change) error { changes[c.Path] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "etc/passwd", "etc/z"} {
		if !changes[name] {
			t.Errorf("the result does not contain the change of %s", name)
		}
	}
	for name := range changes {
		if strings.HasPrefix(name, "bin") || strings.HasPrefix(name, "dev") || strings.HasPrefix(name, "proc") || strings.HasPrefix(name, "sys") || name == "etc/hosts" {
			t.Errorf("the result contains a change of %s, want none", name)
		}
	}
	// A process without changes leaves the tree unchanged.
	if _, n = w.run(t, w.process(":")); !n.Same(w.root) {
		t.Error("a process without changes returns a different tree, want the same")
	}
}

// removeFiles returns a copy of a tree without the named files.
func removeFiles(t *testing.T, n *tree.Node, names ...string) *tree.Node {
	t.Helper()
	e := tree.Edit(n)
	for _, name := range names {
		if err := e.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	return e.Tree()
}

// changedPaths returns the paths that differ between two trees, separated by spaces.
func changedPaths(t *testing.T, a, b *tree.Node) string {
	t.Helper()
	var list []string
	if err := tree.Diff(a, b, func(c tree.Change) error { list = append(list, c.Path); return nil }); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// TestSystemDirs checks that every result contains /proc, /dev and /sys, even if the
// image lacks them. The exception is a directory such as /dev if it was created as the
// parent of a mount point: the result contains it only with KeepMountParents.
func TestSystemDirs(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.root = removeFiles(t, w.root, "proc", "dev", "sys")
	shm := runner.Mount{Kind: runner.MountTmpfs, Target: "/dev/shm"}
	deep := runner.Mount{Kind: runner.MountTmpfs, Target: "/made/for/it"}
	for _, tc := range []struct {
		mounts []runner.Mount
		keep   bool
		want   string
	}{
		{nil, false, "dev proc sys"},
		{[]runner.Mount{shm}, false, "proc sys"},
		{[]runner.Mount{deep}, false, "dev proc sys"},
		{[]runner.Mount{deep, shm}, true, "dev made made/for proc sys"},
	} {
		p := w.process(":")
		p.Mounts, p.KeepMountParents = append(p.Mounts, tc.mounts...), tc.keep
		_, n := w.run(t, p)
		if got := changedPaths(t, w.root, n); got != tc.want {
			t.Errorf("mounts %v, KeepMountParents %v: changes %s, want %s", tc.mounts, tc.keep, got, tc.want)
		}
		for _, e := range testtree.Must(n.Entries()) {
			if m := e.Node.Meta(); m.Mode != 0o755 || m.UID != 0 || m.GID != 0 {
				t.Errorf("/%s has mode %o and owner %d:%d, want 755 and 0:0", e.Name, m.Mode, m.UID, m.GID)
			}
		}
	}
	p := w.process(":")
	p.Mounts[0].ReadOnly = true
	if _, n := w.run(t, p); !n.Same(w.root) {
		t.Error("a read-only root changed, want the same tree")
	}
}

// TestSockets checks that a socket file that a process has created is visible to the
// next process, which can remove the file. The test also deletes the layer of the first
// process, so that it is written again.
func TestSockets(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.probe(t, nil)
	base, layers := w.root, []tree.LayerRef{tree.Layer{Lower: tree.Empty(), Upper: w.root}.Ref()}
	run := func(question string) string {
		t.Helper()
		p := w.process("")
		p.Args, p.Mounts[0].Tree, p.Mounts[0].Layers = []string{"/bin/probe", question}, base, layers
		out, n := w.run(t, p)
		base, layers = n, append(layers, tree.Layer{Lower: base, Upper: n}.Ref())
		_, answer, _ := strings.Cut(strings.TrimSpace(out), " ")
		return answer
	}
	for _, again := range []bool{false, true} { // whether the layer is written again
		for _, remove := range []string{"remove:/s/sock", "empty:/s"} {
			if got := run("listen:/s/sock"); got != "OK" {
				t.Fatal(got)
			}
			if again { // as if another builder had to write the layer
				if err := os.RemoveAll(w.layerDir(layers[len(layers)-1])); err != nil {
					t.Fatal(err)
				}
			}
			if got := run("list:/s"); got != "[sock]" {
				t.Errorf("after listening on a socket: %s, want [sock]", got)
			}
			if got := run(remove); got != "OK" {
				t.Errorf("%s: %s, want OK", remove, got)
			}
			if got := run("list:/s"); got != "[]" {
				t.Errorf("after %s: %s, want no socket", remove, got)
			}
		}
	}
}

// TestIdentity checks that a process has the IDs and the home directory of its user. Only
// root may have capabilities, and only the default ones. A user that does not exist must
// result in an error.
func TestIdentity(t *testing.T) {
	w := newFixture(t)
	p := w.process("read line < /proc/self/status; echo $HOME; while read key value rest; do case $key in Uid:|Gid:|CapEff:|CapBnd:|NoNewPrivs:|Seccomp:) echo $key $value;; esac; done < /proc/self/status")
	out, _ := w.run(t, p)
	for _, want := range []string{"Uid: 0", "Gid: 0", "CapBnd: 00000000a80425fb", "CapEff: 00000000a80425fb", "NoNewPrivs: 0", "Seccomp: 2", "/root"} {
		if !strings.Contains(out, want) {
			t.Errorf("root: status\n%swant %s", out, want)
		}
	}
	p.User = "me"
	if hasOneUser() {
		if _, err := w.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "the user namespace has no user but root") {
			t.Errorf("user me: error %v, want that no user but root exists", err)
		}
		return
	}
	out, _ = w.run(t, p)
	for _, want := range []string{"Uid: 12", "Gid: 34", "CapEff: 0000000000000000", "/home/me"} {
		if !strings.Contains(out, want) {
			t.Errorf("user me: status\n%swant %s", out, want)
		}
	}
	p.User = "nobody-here"
	if _, err := w.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), `user "nobody-here"`) {
		t.Errorf("unknown user: error %v, want one that names the user", err)
	}
}

// TestEnvironment checks that only the last value of a duplicate variable counts: for
// the program, for the lookup in PATH, and for HOME.
func TestEnvironment(t *testing.T) {
	w := newFixture(t)
	got := w.probe(t, func(p *runner.Process) {
		p.Env = []string{"A=first", "PATH=/nowhere", "HOME=/h", "A=", "PATH=/bin", "B=b=c"}
		p.Args[0] = "probe"
	}, "variable:A", "variable:B", "variable:PATH", "variable:HOME")
	for question, want := range map[string]string{"variable:A": "", "variable:B": "b=c", "variable:PATH": "/bin", "variable:HOME": "/h"} {
		if got[question] != want {
			t.Errorf("%s: %q, want %q", question, got[question], want)
		}
	}
}

// TestMounts checks that a process reads and writes mounts of each kind as configured,
// and that only mounts with Output return changes.
func TestMounts(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	sub := tree.Edit(nil)
	if _, err := sub.MkdirAll("a/b", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	p := w.process("read s < /run/s; echo $s; echo x > /cache/kept; echo x > /tmp/t; echo x > /ro/b/no || echo refused; echo y > /rw/yes; cd /ro/b && echo there")
	layers := []tree.LayerRef{tree.Layer{Lower: tree.Empty(), Upper: sub.Tree()}.Ref()}
	p.Mounts = append(p.Mounts,
		runner.Mount{Kind: runner.MountFile, Target: "/run/s", Data: []byte("secret\n"), Mode: 0o400},
		runner.Mount{Kind: runner.MountDir, Target: "/cache", HostPath: cache},
		runner.Mount{Kind: runner.MountTmpfs, Target: "/tmp"},
		runner.Mount{Kind: runner.MountTree, Target: "/ro", Tree: sub.Tree(), Layers: layers, Source: "a", ReadOnly: true},
		runner.Mount{Kind: runner.MountTree, Target: "/rw", Tree: sub.Tree(), Layers: layers, Output: true},
	)
	var out bytes.Buffer
	p.Stdout = &out
	trees, err := w.Run(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "secret\nrefused\nthere\n" {
		t.Errorf("output %q, want the secret, refused and there", got)
	}
	if _, err := os.Stat(filepath.Join(cache, "kept")); err != nil {
		t.Error(err)
	}
	if !trees[0].Same(w.root) {
		t.Error("the root contains mounted files, want it unchanged")
	}
	if testtree.Must(trees[5].Get("yes")) == nil || testtree.Must(trees[5].Get("a/b")) == nil {
		t.Error("the tree of /rw lacks yes or a/b, want both")
	}
}

// TestMountDirSource checks that a mount shows only its source in a host directory,
// whether that is a file or a directory. Links do not lead out of the host directory.
func TestMountDirSource(t *testing.T) {
	w := newFixture(t)
	cache := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(cache, "file"), []byte("f\n"), 0o600),
		os.Mkdir(filepath.Join(cache, "dir"), 0o755),
		os.Symlink("/dir", filepath.Join(cache, "link")),
		os.Symlink("/etc", filepath.Join(cache, "out")),
	); err != nil {
		t.Fatal(err)
	}
	p := w.process("echo more >> /f; echo x > /d/kept")
	p.Mounts = append(p.Mounts,
		runner.Mount{Kind: runner.MountDir, Target: "/d", HostPath: cache, Source: "/link"},
		runner.Mount{Kind: runner.MountDir, Target: "/f", HostPath: cache, Source: "file"},
	)
	if _, err := w.Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"file": "f\nmore\n", "dir/kept": "x\n"} {
		if got, err := os.ReadFile(filepath.Join(cache, name)); err != nil || string(got) != want {
			t.Errorf("%s: content %q, error %v, want %q", name, got, err, want)
		}
	}
	for _, source := range []string{"none", "out"} {
		p.Mounts[1].Source = source
		var missing *runner.SourceError
		if _, err := w.Run(t.Context(), p); !errors.As(err, &missing) {
			t.Errorf("source %s: error %v, want a SourceError", source, err)
		}
	}
}

// TestCopiedUp checks that the hard links of a file break when a step opens the file for
// writing or creates another link to it, because the overlay copies the file up in both
// cases. The new link must remain.
func TestCopiedUp(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.install(t, "bin/ln", "/usr/bin/ln")
	w.write(t, "a", 0o644, []byte("a"))
	w.write(t, "c", 0o644, []byte("c"))
	p := w.process("ln a b; ln c d")
	_, linked := w.run(t, p)
	if inode := testtree.Must(linked.Get("a")).Inode(); inode == "" || testtree.Must(linked.Get("b")).Inode() != inode {
		t.Fatalf("inodes of the hard links a %q and b %q, want the same", inode, testtree.Must(linked.Get("b")).Inode())
	}
	p = w.process("true >> a; ln c e")
	p.Mounts[0].Tree = linked
	p.Mounts[0].Layers = append(p.Mounts[0].Layers, tree.Layer{Lower: w.root, Upper: linked}.Ref())
	_, n := w.run(t, p)
	inode := func(name string) string { return testtree.Must(n.Get(name)).Inode() }
	if inode("a") == inode("b") || inode("c") != inode("e") || inode("c") == inode("d") {
		t.Errorf("inodes a %q, b %q, c %q, d %q, e %q, want only c and e equal", inode("a"), inode("b"), inode("c"), inode("d"), inode("e"))
	}
	changed := ""
	if err := tree.Diff(linked, n, func(c tree.Change) error { changed += c.Path + " "; return nil }); err != nil || changed != "e " {
		t.Errorf("changes %q, error %v, want e", changed, err)
	}
}

// TestMountParentTime checks the modification time of a directory in which only a mount
// point was created and removed. The directory must have the time from before the step
// or, if the step set a time, that time.
func TestMountParentTime(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/touch", "/usr/bin/touch")
	w.write(t, "kept/f", 0o644, nil)
	w.write(t, "set/f", 0o644, nil)
	p := w.process("touch -d @5 /set")
	for _, target := range []string{"/kept/m", "/set/m"} {
		p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountTmpfs, Target: target})
	}
	_, n := w.run(t, p)
	for name, want := range map[string]time.Time{"kept": testtree.Must(w.root.Get("kept")).Meta().ModTime, "set": time.Unix(5, 0)} {
		if got := testtree.Must(n.Get(name)).Meta().ModTime; !got.Equal(want) {
			t.Errorf("modification time of %s: %v, want %v", name, got, want)
		}
	}
}

// TestRootMode checks that a writable root has mode 0755, that a read-only root has the
// mode of its tree, and that a tmpfs has the mode of the directory at its mount point.
func TestRootMode(t *testing.T) {
	w := newFixture(t)
	w.install(t, "bin/stat", "/usr/bin/stat")
	m := w.root.Meta()
	m.Mode = 0o2751
	w.root = w.root.WithMeta(m)
	e := tree.Edit(w.root)
	if _, err := e.MkdirAll("dir", tree.Meta{Mode: 0o750}); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	p := w.process("stat -c %a / /ro /rw /dir /new")
	layers := []tree.LayerRef{tree.Layer{Lower: tree.Empty(), Upper: w.root}.Ref()}
	p.Mounts = append(p.Mounts,
		runner.Mount{Kind: runner.MountTree, Target: "/ro", Tree: w.root, Layers: layers, ReadOnly: true},
		runner.Mount{Kind: runner.MountTree, Target: "/rw", Tree: w.root, Layers: layers},
		runner.Mount{Kind: runner.MountTmpfs, Target: "/dir"},
		runner.Mount{Kind: runner.MountTmpfs, Target: "/new", Size: 1 << 20},
	)
	p.Mounts[0].Tree, p.Mounts[0].Layers = w.root, layers
	out, n := w.run(t, p)
	if out != "755\n2751\n755\n750\n1777\n" || n.Meta().Mode != 0o755 {
		t.Errorf("modes %q and %o in the result, want 755, 2751, 755, 750, 1777 and 755", out, n.Meta().Mode)
	}
}

// TestNetworkAndHosts checks that a process without network sees only the loopback device,
// and that a process in any other network mode sees the devices of the host. Every process
// must see the requested entries in /etc/hosts and the name servers of the host.
func TestNetworkAndHosts(t *testing.T) {
	w := newFixture(t)
	p := w.process("while read line; do echo $line; done < /etc/hosts; for d in /sys/class/net/*; do echo $d; done")
	p.Network, p.Hosts, p.Hostname = runner.NetworkNone, []runner.Host{{Name: "db", IP: "10.0.0.1"}}, "here"
	out, _ := w.run(t, p)
	for _, want := range []string{"10.0.0.1 db", "localhost here", "/sys/class/net/lo"} {
		if !strings.Contains(out, want) {
			t.Errorf("hosts and network devices\n%swant %q among them", out, want)
		}
	}
	if strings.Contains(out, "eth0") {
		t.Errorf("without network, the devices include the host's:\n%s", out)
	}
	// The step sees the host's name servers nevertheless, because it may copy the file.
	const servers = "read:/etc/resolv.conf"
	got := w.probe(t, func(p *runner.Process) { p.Network = runner.NetworkNone }, servers)[servers]
	if want := fmt.Sprint(answer(servers)); got != want {
		t.Errorf("without network, /etc/resolv.conf has %s bytes, want %s", got, want)
	}
	// In the other modes, steps use the network of the host and its name servers.
	host := fmt.Sprint(answer("list:/sys/class/net"), answer("read:/etc/resolv.conf"))
	for _, network := range []runner.Network{runner.NetworkDefault, runner.NetworkHost} {
		got := w.probe(t, func(p *runner.Process) { p.Network = network }, "list:/sys/class/net", "read:/etc/resolv.conf")
		if text := got["list:/sys/class/net"] + got["read:/etc/resolv.conf"]; strings.ReplaceAll(host, " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("network mode %d: devices and name servers %s, want the host's %s", network, text, host)
		}
	}
}

// TestFailures checks the errors for processes that exit with a code, kill themselves or are
// canceled, and for a program that does not exist. No temporary files may remain.
func TestFailures(t *testing.T) {
	w := newFixture(t)
	for range 5 { // ending immediately is not a failure
		w.run(t, w.process(":"))
	}
	var exit *runner.ExitError
	if _, err := w.Run(t.Context(), w.process("echo x > /left; exit 3")); !errors.As(err, &exit) || exit.Code != 3 || testtree.Must(exit.Trees[0].Get("left")) == nil {
		t.Errorf("failed process: error %v, want exit code 3 with the tree that contains left", err)
	}
	if _, err := w.Run(t.Context(), w.process("kill -9 $$; kill -15 $$; :")); err != nil && !errors.As(err, &exit) {
		t.Errorf("process that kills itself: error %v, want an ExitError", err)
	}
	p := w.process("")
	p.Args = []string{"nothing-like-it"}
	if _, err := w.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), `"nothing-like-it": executable file not found in $PATH`) {
		t.Errorf("unknown program: error %v, want that it is not found", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := w.Run(ctx, w.process("while :; do :; done")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("canceled process: error %v, want %v", err, context.DeadlineExceeded)
	}
	left, err := os.ReadDir(filepath.Join(w.dir, "run"))
	if err != nil || len(left) > 0 {
		t.Errorf("%d directories remain, error %v, want none", len(left), err)
	}
}

// TestWhiteouts checks that a process does not see a file that a layer removes.
func TestWhiteouts(t *testing.T) {
	w := newFixture(t)
	e := tree.Edit(w.root)
	if _, err := e.MkdirAll("a/b/c", tree.Meta{Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	base := e.Tree()
	gone := tree.Edit(base)
	if err := gone.Remove("a/b"); err != nil {
		t.Fatal(err)
	}
	p := w.process("cd /a/b 2>/dev/null && echo there; cd /a && echo gone")
	p.Mounts[0].Tree = gone.Tree()
	p.Mounts[0].Layers = []tree.LayerRef{tree.Layer{Lower: tree.Empty(), Upper: base}.Ref(), tree.Layer{Lower: base, Upper: gone.Tree()}.Ref()}
	if out, _ := w.run(t, p); out != "gone\n" {
		t.Errorf("output %q, want gone", out)
	}
}

// TestDevicesOfImages checks that processes see the devices of an image, and that the result
// contains them. In a user namespace devices cannot be created, so processes see neither the
// devices nor the files that the devices replace. The result must contain the devices even in
// this case.
func TestDevicesOfImages(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.write(t, "d/replaced", 0o644, []byte("old"))
	lower := w.root
	e := tree.Edit(lower)
	console := tree.NewDevice(tree.CharDevice, tree.Meta{Mode: 0o600}, tree.Device{Major: 5, Minor: 1})
	disk := tree.NewDevice(tree.BlockDevice, tree.Meta{Mode: 0o660}, tree.Device{Major: 8, Minor: 0})
	pipe := tree.NewDevice(tree.Fifo, tree.Meta{Mode: 0o644}, tree.Device{})
	err := errors.Join(e.Remove("d/replaced"), e.Put("d/replaced", disk), e.Put("d/pipe", pipe), e.Put("d/console", console),
		e.Put("new", removeFiles(t, lower)), e.Put("new/console", console))
	if err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	for _, layers := range [][]tree.LayerRef{
		{tree.Layer{Lower: tree.Empty(), Upper: lower}.Ref(), tree.Layer{Lower: lower, Upper: w.root}.Ref()},
		{tree.Layer{Lower: tree.Empty(), Upper: w.root}.Ref()},
	} {
		p := w.process("echo /d/* /new/console; echo x > /d/f")
		p.Mounts[0].Layers = layers
		out, n := w.run(t, p)
		want := "/d/console /d/pipe /d/replaced /new/console\n"
		if w.noDevices {
			want = "/d/pipe /new/console\n" // the shell prints a pattern without matches
		}
		if out != want {
			t.Errorf("visible devices %q, want %q", out, want)
		}
		if got := changedPaths(t, w.root, n); got != "d/f" {
			t.Errorf("changes %s, want d/f", got)
		}
	}
	w.probe(t, nil)
	p := w.process("")
	p.Args = []string{"/bin/probe", "empty:/d"}
	if _, n := w.run(t, p); len(testtree.Must(testtree.Must(n.Get("d")).Entries())) > 0 || testtree.Must(n.Get("new/console")) == nil {
		t.Error("the result has devices in the replaced directory /d, or none in /new, want only the latter")
	}
}

// TestDevices checks that a process may open a standard device that the image contains,
// but no other device. If no control group filters devices, the process may open
// neither.
func TestDevices(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	e := tree.Edit(w.root)
	zero := tree.NewDevice(tree.CharDevice, tree.Meta{Mode: 0o666}, tree.Device{Major: 1, Minor: 5})
	disk := tree.NewDevice(tree.BlockDevice, tree.Meta{Mode: 0o666}, tree.Device{Major: 60})
	if err := errors.Join(e.Put("zero", zero), e.Put("disk", disk)); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	if w.noDevices {
		return // the devices of the image do not exist
	}
	p := w.process("(: < /zero) && echo opened; (: < /disk); test -c /zero && echo there; read x < /dev/null; test -c /dev/zero && echo usual")
	check := func(want ...string) {
		t.Helper()
		for _, readOnly := range []bool{false, true} {
			p.Mounts[0].ReadOnly = readOnly
			got, _ := w.run(t, p)
			if got := regexp.MustCompile("[a-zA-Z ]+(\n|$)").FindAllString(got, -1); !slices.Equal(got, append(want, "there\n", "usual\n")) {
				t.Errorf("read-only root %v: output %q, want %q", readOnly, got, want)
			}
		}
	}
	check("opened\n", " Operation not permitted\n")
	w.withoutGroups(t)
	check(" Permission denied\n", " Permission denied\n")
}

// TestHostDevices checks that a device of the host stays unchanged if a process changes the
// mode and owner of a standard device in its container.
func TestHostDevices(t *testing.T) {
	w := newFixture(t)
	before, err := os.Stat("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(os.Chown("/dev/full", 0, 0), os.Chmod("/dev/full", 0o666)) }) // restore it if the test fails
	for _, name := range []string{"chmod", "chown", "stat", "ls"} {
		w.install(t, "bin/"+name, "/usr/bin/"+name)
	}
	got, _ := w.run(t, w.process("chmod 0602 /dev/full 2>/dev/null; chown 0:4 /dev/full 2>/dev/null; stat -c %a /dev/full; echo x >/dev/null && echo written; ls -Ad /dev/nodes* 2>/dev/null || true"))
	want := "602\nwritten\n"
	if w.noDevices {
		want = "666\nwritten\n"
	}
	if got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	after, err := os.Stat("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	if b, a := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t); b.Mode != a.Mode || b.Uid != a.Uid || b.Gid != a.Gid {
		t.Errorf("the host's device has mode %v and owner %d:%d, want %v and %d:%d", after.Mode(), a.Uid, a.Gid, before.Mode(), b.Uid, b.Gid)
	}
}

// TestKernelMemory checks that /dev/core is a link to /proc/kcore if the kernel
// provides that file, and does not exist otherwise.
func TestKernelMemory(t *testing.T) {
	want := "absent\n"
	if _, err := os.Stat("/proc/kcore"); err == nil {
		want = "link\n"
	}
	w := newFixture(t)
	if got, _ := w.run(t, w.process("if test -L /dev/core; then echo link; else echo absent; fi")); got != want {
		t.Errorf("/dev/core is %q, want %q", got, want)
	}
}

// TestCacheKey checks that CacheKey returns "", except in a user namespace in which all files
// belong to root.
func TestCacheKey(t *testing.T) {
	want := ""
	if hasOneUser() {
		want = "one owner 1"
	}
	if got := CacheKey(); got != want {
		t.Errorf("CacheKey returns %q, want %q", got, want)
	}
}

// TestLayersName checks that the directory for layers has a different name for each boot, for
// different mapped IDs, and for a runner without devices. The name must begin with the ID of
// the boot.
func TestLayersName(t *testing.T) {
	seen := map[string]bool{}
	for _, boot := range []string{"a", "b"} {
		for _, ids := range []string{"", "0 1000 1\n", "0 100000 65536\n"} {
			for _, noDevices := range []bool{false, true} {
				name := layersName(boot, ids, noDevices)
				if seen[name] || !strings.HasPrefix(name, boot) || filepath.Base(name) != name {
					t.Errorf("boot %s, ids %q, without devices %t: name %q, want a new one", boot, ids, noDevices, name)
				}
				seen[name] = true
			}
		}
	}
	if name := layersName("a", "", false); name != "a" {
		t.Errorf("layers of root: %q, want the ID of the boot only", name)
	}
}

// TestOldLayers checks that New removes layers from before the last boot. It must keep layers
// from the current boot that belong to runners with other mapped IDs, because these runners
// may be running.
func TestOldLayers(t *testing.T) {
	dir := t.TempDir()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	boot, err := os.ReadFile(bootID)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "layers", layersName(strings.TrimSpace(string(boot)), "other", true), "layer")
	old := filepath.Join(dir, "layers", "old", "layer")
	if err := errors.Join(os.MkdirAll(other, 0o700), os.MkdirAll(old, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(dir, store); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{other: true, old: false} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s exists: %v, want %v", name, err == nil, want)
		}
	}
}
