package namespace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/runner"
	"slipway/solver/tree"
)

// startError returns the text of the error from starting a process. If the process
// starts, the test ends.
func (w *fixture) startError(t *testing.T, p *runner.Process) string {
	t.Helper()
	_, err := w.Run(t.Context(), p)
	var exit *runner.ExitError
	if err == nil || errors.As(err, &exit) {
		t.Fatalf("error %v, want that the process does not start", err)
	}
	return err.Error()
}

// TestDevicesOfCaches checks which devices a process can open after creating their
// device files in a cache mount, or in a file system mounted below a cache mount. This
// depends on the control group of the process. If no control group filters devices, the
// process can open none.
func TestDevicesOfCaches(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	cache := t.TempDir()
	inner := filepath.Join(cache, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", inner, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(inner, unix.MNT_DETACH) })
	w.install(t, "bin/mknod", "/usr/bin/mknod")
	w.install(t, "bin/rm", "/usr/bin/rm")
	run := func(insecure bool) string {
		p := w.process("for d in /c /c/inner; do mknod $d/full c 1 7 && mknod $d/none b 60 0 && echo made; echo x > $d/full; (: < $d/none); rm -f $d/full $d/none; done")
		p.Insecure = insecure
		p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountDir, Target: "/c", HostPath: cache})
		out, _ := w.run(t, p)
		return out
	}
	if w.noDevices {
		if got := run(false); strings.Contains(got, "made") {
			t.Errorf("output %s, want that devices cannot be created", got)
		}
		return
	}
	check := func(insecure bool, want ...string) {
		t.Helper()
		got := regexp.MustCompile("made|I/O error|[A-Z][a-z]* (not|denied|such)").FindAllString(run(insecure), -1)
		all := slices.Concat([]string{"made", "made"}, want, want)
		slices.Sort(got) // a runtime does not preserve the order of two outputs
		slices.Sort(all)
		if !slices.Equal(got, all) {
			t.Errorf("insecure %v: results %q, want %q", insecure, got, all)
		}
	}
	check(false, "I/O error", "Operation not")
	check(true, "I/O error", "No such")
	if usesRuntime() {
		return
	}
	w.withoutGroups(t)
	check(false, "Permission denied", "Permission denied")
	check(true, "I/O error", "No such")
}

// TestSystemDirectories checks that the runner rejects a root in which /proc, /sys or
// /dev is a symbolic link or a file, because system files could not be hidden in such a
// root. It also checks that no mount point is created at the target of such a link.
func TestSystemDirectories(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	outside := t.TempDir()
	for name, kind := range map[string]string{"proc": "proc", "sys": "sysfs", "dev": "tmpfs"} {
		for _, n := range []*tree.Node{
			tree.NewSymlink(tree.Meta{}, outside), tree.NewSymlink(tree.Meta{}, "/bin"), tree.NewDevice(tree.Fifo, tree.Meta{}, tree.Device{}),
		} {
			e := tree.Edit(w.root)
			if err := errors.Join(e.Remove(name), e.Put(name, n)); err != nil {
				t.Fatal(err)
			}
			other := fixture{Runner: w.Runner, root: e.Tree()}
			for _, insecure := range []bool{false, true} {
				p := other.process(":")
				p.Insecure = insecure
				want := "mount /" + name + `: filesystem "` + kind + `" must be mounted on ordinary directory (replace the link or file in the image)`
				if got := other.startError(t, p); got != want {
					t.Errorf("error %q, want %q", got, want)
				}
			}
		}
	}
	// A cache directory mounted at /dev may contain links as well.
	cache := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(cache, "pts")); err != nil {
		t.Fatal(err)
	}
	p := w.process(":")
	p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountDir, Target: "/dev", HostPath: cache})
	got := w.startError(t, p)
	if want := `mount /dev/pts: filesystem "devpts" must be mounted on ordinary directory`; !usesRuntime() && !strings.Contains(got, want) {
		t.Errorf("link at /dev/pts: error %s, want %s", got, want)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("files outside the root %v, error %v, want none", left, err)
	}
}

// TestMountsInProc checks that a step cannot have mounts inside /proc, by name or
// through a link, except over informational files. Mounts over /sys are allowed.
func TestMountsInProc(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	cache := t.TempDir()
	err := errors.Join(os.Symlink("/proc/sys", filepath.Join(cache, "sys")), os.Symlink("/proc", filepath.Join(cache, "proc")))
	if err != nil {
		t.Fatal(err)
	}
	e := tree.Edit(w.root)
	if err := e.Put("link", tree.NewSymlink(tree.Meta{}, "/proc/irq")); err != nil {
		t.Fatal(err)
	}
	w.root = e.Tree()
	targets := map[string]string{
		"/proc": "mount /proc: ", "/proc/sys": "mount /proc/sys: ", "/proc/new": "mount /proc/new: ", "/link": "mount /proc/irq: ",
		"/c/sys": "mount /c/sys: ", "/c/proc": "mount /c/proc: ",
	}
	if usesRuntime() { // a runtime ignores links in caches, or reports different errors
		delete(targets, "/c/sys")
		delete(targets, "/c/proc")
	}
	for target, want := range targets {
		p := w.process(":")
		p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountDir, Target: "/c", HostPath: cache}, runner.Mount{Kind: runner.MountTmpfs, Target: target})
		if got := w.startError(t, p); got != want+"cannot be mounted because it is inside /proc" {
			t.Errorf("mount at %s: error %s, want that it is inside /proc", target, got)
		}
	}
	p := w.process("read x < /proc/uptime; echo $x; echo /sys/*")
	p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountTmpfs, Target: "/sys"},
		runner.Mount{Kind: runner.MountFile, Target: "/proc/uptime", Data: []byte("long\n"), Mode: 0o444})
	if got, _ := w.run(t, p); got != "long\n/sys/*\n" && !(usesRuntime() && got == "long\n/sys/fs\n") { // control groups
		t.Errorf("mounts at /proc/uptime and /sys: output %q, want the file and an empty directory", got)
	}
}

// TestMountOverDev checks that a tmpfs mounted at /dev gets the standard devices, but a
// directory mounted there does not. The root stays unchanged.
func TestMountOverDev(t *testing.T) {
	w := newFixture(t)
	p := w.process("echo x > /dev/null; echo /dev/*")
	p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountTmpfs, Target: "/dev"})
	got, n := w.run(t, p)
	if want := " /dev/fd /dev/full /dev/mqueue /dev/null /dev/ptmx /dev/pts "; !strings.Contains(" "+got, want) {
		t.Errorf("tmpfs at /dev: files %q, want %q among them", got, want)
	}
	if !n.Same(w.root) {
		t.Errorf("changes %s, want none", changedPaths(t, w.root, n))
	}
	if usesRuntime() { // the runtime rejects the directory
		return
	}
	p = w.process("echo /dev/*")
	p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountDir, Target: "/dev", HostPath: t.TempDir()})
	got, n = w.run(t, p)
	if want := "/dev/mqueue /dev/pts /dev/shm\n"; got != want || !n.Same(w.root) {
		t.Errorf("directory at /dev: files %q, changes %s, want %q and none", got, changedPaths(t, w.root, n), want)
	}
}

// TestMountPointRace checks that mount points are never created outside the root, even
// while another build swaps a directory of a shared cache mount with a link to the
// host. CVE-2024-23651 and CVE-2021-30465 were such races.
func TestMountPointRace(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	root, outside := t.TempDir(), t.TempDir()
	dir, link := filepath.Join(root, "d"), filepath.Join(root, "l")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink(outside, link)); err != nil {
		t.Fatal(err)
	}
	handle, err := os.OpenFile(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE); err != nil {
				<-stop
				stopped <- err
				return
			}
		}
	}()
	c := &config{Root: root, root: handle}
	count := 0
	for i := range 1500 {
		// A mount point that is swapped at the wrong moment is an error.
		if f, err := c.target(fmt.Sprintf("/d/%d", i), i%2 == 0); err == nil {
			count++
			f.Close()
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(outside)
	if err != nil || len(left) > 0 {
		t.Errorf("%d mount points outside the root, error %v, want none", len(left), err)
	}
	if count == 0 {
		t.Error("no mount point was created inside the root, want some")
	}
}

// TestSecretsInMemory checks that no file of the host contains a secret while a process
// uses the secret, so that a killed builder leaves no secret on disk.
func TestSecretsInMemory(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	const content = "a-secret-of-this-test"
	p := w.process("read line")
	p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountFile, Target: "/run/secrets/s", Data: []byte(content), Mode: 0o400})
	in, end := io.Pipe()
	defer end.Close()
	p.Stdin = in
	start(t, w.open(t, &p.Sandbox), p)
	files := 0
	err := filepath.WalkDir(w.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		data, err := os.ReadFile(name)
		if bytes.Contains(data, []byte(content)) {
			t.Errorf("%s contains the secret", name)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("searched %d files, error %v, want at least one", files, err)
	}
}

// TestStateNames checks that the path of the state directory may be long and may
// contain characters that separate mount options of overlays.
func TestStateNames(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	for _, name := range []string{"a,b", `a\b`, "a:b", `a"b'c d`, strings.Repeat(strings.Repeat("x", 200)+"/", 18)} {
		r, err := New(filepath.Join(t.TempDir(), name), w.store)
		if err != nil {
			t.Fatal(err)
		}
		p := w.process("test -S /agent")
		p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountSocket, Target: "/agent"})
		if _, err := r.Run(t.Context(), p); err != nil {
			t.Errorf("state directory %.20q: error %v, want nil", name, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestHide checks that hide and protect return nil for a path that does not exist, but return
// all other errors.
func TestHide(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	c := &config{Root: dir, root: root}
	for name, f := range map[string]func(string) error{"hide": c.hide, "protect": c.protect} {
		if err := f("missing"); err != nil {
			t.Errorf("%s a missing path: error %v, want nil", name, err)
		}
		if err := f("loop"); !errors.Is(err, unix.ELOOP) {
			t.Errorf("%s a path that cannot be opened: error %v, want %v", name, err, unix.ELOOP)
		}
	}
}

// TestMasks checks the files that mask system files. A step must be able neither to read them
// nor to change their mode: the mask is a null device, which may be the device file of the
// host.
func TestMasks(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	w.install(t, "bin/chmod", "/usr/bin/chmod")
	const script = "for f in /proc/keys /proc/timer_list /proc/interrupts; do test -e $f || continue; chmod 602 $f 2>/dev/null && echo changed $f; read x < $f && echo read $f; done; :"
	if got, _ := w.run(t, w.process(script)); got != "" {
		t.Errorf("output %q, want that nothing is read or changed", got)
	}
}

// TestFlagsOfData checks that files written by the builder, such as /etc/hosts and
// secrets, are mounted read-only, nodev, nosuid and noexec, as with runc.
func TestFlagsOfData(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	questions := []string{"flags:/etc/hosts", "flags:/etc/resolv.conf", "flags:/run/secrets/s"}
	want := fmt.Sprint(unix.ST_RDONLY | unix.ST_NODEV | unix.ST_NOSUID | unix.ST_NOEXEC)
	got := w.probe(t, func(p *runner.Process) {
		p.Mounts = append(p.Mounts, runner.Mount{Kind: runner.MountFile, Target: "/run/secrets/s", Data: []byte("secret"), Mode: 0o400})
	}, questions...)
	for _, q := range questions {
		if got[q] != want {
			t.Errorf("%s: %s, want %s", q, got[q], want)
		}
	}
}

// TestVolatile checks that the root is a volatile overlay, which the kernel does not flush to
// disk when a step ends.
func TestVolatile(t *testing.T) {
	slowtest.Skip(t, "starts many processes")
	w := newFixture(t)
	const script = `while read -r from at kind options rest; do test "$at" = / && echo "$kind $options"; done < /proc/mounts; :`
	got, _ := w.run(t, w.process(script))
	if !w.Copies() && !regexp.MustCompile(`^overlay \S*\bvolatile\b`).MatchString(got) {
		t.Errorf("type and options of the root %q, want a volatile overlay", got)
	}
}
