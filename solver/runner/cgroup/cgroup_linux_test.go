package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"slipway/internal/slowtest"
	"slipway/solver/runner"
)

// TestParse checks that parse finds hierarchies of both versions in mountinfo. In each
// hierarchy, it must find the directory of the group to which the process belongs.
func TestParse(t *testing.T) {
	const v1 = "30 1 0:1 / /c/cpu rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
	for _, tc := range []struct{ name, mounts, groups, want string }{
		{"version 1", v1, "2:cpu,cpuacct:/a/b\n0::/z\n", "/c/cpu [cpu cpuacct] /c/cpu/a/b"},
		{"version 2", "30 1 0:1 / /c rw - cgroup2 cgroup2 rw\n", "0::/a/b\n", "/c [] /c/a/b"},
		{"a name", "30 1 0:1 / /c/s rw - cgroup cgroup rw,xattr,name=systemd\n", "1:name=systemd:/a\n", "/c/s [name=systemd] /c/s/a"},
		{"a part is mounted", "30 1 0:1 /a /c rw - cgroup2 cgroup2 rw\n", "0::/a/b\n", "/c [] /c/b"},
		{"another part is mounted", "30 1 0:1 /x /c rw - cgroup2 cgroup2 rw\n", "0::/a/b\n", "/c [] "},
		{"mounted twice", v1 + strings.Replace(v1, "/c/", "/d/", 1), "2:cpu,cpuacct:/\n", "/c/cpu [cpu cpuacct] /c/cpu"},
		{"no groups", "22 1 0:2 / /proc rw - proc proc rw\nshort\n", "", ""},
		{"no line of the process", v1, "0::/\nshort\n", "/c/cpu [cpu cpuacct] "},
	} {
		var got []string
		for _, h := range parse([]byte(tc.mounts), []byte(tc.groups)) {
			got = append(got, fmt.Sprint(h.mount, " ", h.controllers, " ", h.own))
		}
		if strings.Join(got, "\n") != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestBases checks in which directories groups may be created: in the builder's group
// and, with version 2, also in its parent group and at the top of the hierarchy. If the
// option Parent is set, groups may be created only in that directory.
func TestBases(t *testing.T) {
	for _, tc := range []struct {
		h      hierarchy
		parent string
		want   []string
	}{
		{hierarchy{mount: "/c", own: "/c/a/b"}, "", []string{"/c/a/b"}},
		{hierarchy{mount: "/c"}, "", []string{"/c"}},
		{hierarchy{mount: "/c", own: "/c/a/b", unified: true}, "", []string{"/c/a/b", "/c/a", "/c"}},
		{hierarchy{mount: "/c", own: "/c/a", unified: true}, "", []string{"/c/a", "/c"}},
		{hierarchy{mount: "/c", own: "/c", unified: true}, "", []string{"/c"}},
		{hierarchy{mount: "/c", own: "/c/a/b", unified: true}, "x/../../y", []string{"/c/y"}},
		{hierarchy{mount: "/c", own: "/c/a/b", unified: true}, "/", []string{"/c"}},
	} {
		if got := tc.h.bases(tc.parent); !slices.Equal(got, tc.want) {
			t.Errorf("bases of %+v with parent %q: %q, want %q", tc.h, tc.parent, got, tc.want)
		}
	}
}

// deviceHierarchies returns the hierarchies of this machine that can filter devices. If
// version 2 is not mounted, it mounts that hierarchy until the test ends. If the test
// does not run as root, it returns nil.
func deviceHierarchies(t *testing.T) []hierarchy {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	all, err := hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(h hierarchy) bool { return !h.unified && !h.has("devices") })
	if !slices.ContainsFunc(all, func(h hierarchy) bool { return h.unified }) {
		dir := t.TempDir()
		if err := unix.Mount("none", dir, "cgroup2", 0, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
		all = append(all, hierarchy{mount: dir, own: dir, unified: true})
	}
	return all
}

// newTestSet returns a set that is closed when the test ends. The test fails if Close
// does not remove all groups.
func newTestSet(t *testing.T, o *Options, all ...hierarchy) *Set {
	t.Helper()
	o.State, o.PID = t.TempDir(), os.Getpid()
	s := newSet(o, all)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, dir := range s.Dirs() {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after Close, %s: error %v, want that it does not exist", dir, err)
			}
		}
	})
	return s
}

// run runs a shell script in the groups of a step and returns its output. It also
// checks that the calling thread has returned to its own groups.
func run(t *testing.T, g *Group, privileged bool, script string) string {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := os.ReadFile("/proc/thread-self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "read go; "+script)
	cmd.Dir, cmd.SysProcAttr = t.TempDir(), &syscall.SysProcAttr{}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(cmd, privileged); err != nil {
		t.Fatal(err)
	}
	_, err = in.Write([]byte("go\n")) // the process has been moved to its groups
	if err := errors.Join(err, in.Close()); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // the output shows failures
	if after, err := os.ReadFile("/proc/thread-self/cgroup"); err != nil || !bytes.Equal(after, before) {
		t.Errorf("groups of the thread after Start, error %v:\n%s\nwant\n%s", err, after, before)
	}
	return out.String()
}

// openAll is a shell script that creates devices and opens them for reading. It prints
// the name of each device that can be opened, and the error for each device that
// cannot. Device 60:0 does not exist, and 1:11 is the kernel log.
const openAll = `for d in c:1:3 c:1:5 c:1:7 c:1:8 c:1:9 c:1:11 b:60:0; do
	IFS=: read kind major minor <<-EOF
		$d
	EOF
	mknod $d $kind $major $minor && (: < $d) 2> error && echo $d
	grep -o 'Operation not permitted\|No such device.*' error
done`

// TestFilter checks that a process with the device filter may create all devices but
// open only some, and that a privileged process may open all.
func TestFilter(t *testing.T) {
	slowtest.Skip(t, "tries every kind of device")
	const (
		some = "c:1:3\nc:1:5\nc:1:7\nc:1:8\nc:1:9\nOperation not permitted\nOperation not permitted\n"
		all  = "c:1:3\nc:1:5\nc:1:7\nc:1:8\nc:1:9\nc:1:11\nNo such device or address\n"
	)
	list := deviceHierarchies(t)
	for _, h := range list { // also with a thread that cannot return to its group
		h.own = ""
		list = append(list, h)
	}
	for _, h := range list {
		for _, parent := range []string{"", "slipway-test-parent/inner"} {
			s := newTestSet(t, &Options{Parent: parent}, h)
			t.Cleanup(func() { _ = remove(filepath.Join(h.mount, "slipway-test-parent")) }) // before Close
			if err := errors.Join(s.Filter(), s.Filter()); err != nil {
				t.Fatal(err)
			}
			g, err := s.Step("step", &runner.Resources{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for privileged, want := range map[bool]string{false: some, true: all} {
				got := run(t, g, privileged, openAll)
				if got != want {
					t.Errorf("%s, parent %q, privileged %v: output %q, want %q", h.mount, parent, privileged, got, want)
				}
			}
			got := run(t, g, false, "cat /proc/self/cgroup")
			if in := strings.TrimPrefix(filepath.Join(s.bases(&h)[0], s.name), h.mount); !strings.Contains(got, in+"/") {
				t.Errorf("%s, parent %q: groups of a step are\n%swant one below %s", h.mount, parent, got, in)
			}
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestMoreDevices checks that a step with additional devices may open them in the permitted way
// only, and that the device filter of other steps stays the same. Device 1:11 is the kernel log.
func TestMoreDevices(t *testing.T) {
	const script = "exec 2>/dev/null; mknod log c 1 11; (: < log) && echo read; (: >> log) && echo written"
	for _, h := range deviceHierarchies(t) {
		s := newTestSet(t, &Options{}, h)
		if err := s.Filter(); err != nil {
			t.Fatal(err)
		}
		for i, tc := range []struct{ access, want string }{
			{"", ""},
			{"r", "read"},
			{"w", "written"},
			{"rwm", "read written"},
		} {
			g, err := s.Step(fmt.Sprint("step", i), &runner.Resources{}, []runner.Device{{Path: "/dev/kmsg", Major: 1, Minor: 11, Access: tc.access}})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Fields(run(t, g, false, script)); strings.Join(got, " ") != tc.want {
				t.Errorf("%s, access %q: output %q, want %q", h.mount, tc.access, got, tc.want)
			}
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestNoFilter checks the behaviour on a machine without control groups that filter
// devices: Filter must fail, and steps must run without groups.
func TestNoFilter(t *testing.T) {
	s := newTestSet(t, &Options{}, hierarchy{mount: t.TempDir(), controllers: []string{"memory"}})
	for range 2 {
		if err := s.Filter(); err == nil {
			t.Error("Filter succeeds without a hierarchy for devices, want an error")
		}
	}
	g, err := s.Step("step", &runner.Resources{}, nil)
	if err != nil || len(g.own)+len(g.members(true))+len(g.members(false)) > 0 {
		t.Errorf("Step returns groups %+v, error %v, want none", g, err)
	}
	if g.OutOfMemory() {
		t.Error("OutOfMemory is true for a step without a group, want false")
	}
}

// TestStale checks that RemoveStale removes the groups of a runner that has ended. It
// must keep the groups of runners that still exist or have another state directory.
func TestStale(t *testing.T) {
	for _, h := range deviceHierarchies(t) {
		state := t.TempDir()
		ended := exec.CommandContext(t.Context(), "true")
		if err := ended.Run(); err != nil {
			t.Fatal(err)
		}
		stale := newSet(&Options{State: state, PID: ended.Process.Pid}, []hierarchy{h})
		alive := newSet(&Options{State: state, PID: os.Getpid()}, []hierarchy{h})
		if err := errors.Join(stale.Filter(), alive.Filter()); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			state string
			want  error
		}{{t.TempDir(), nil}, {state, fs.ErrNotExist}} {
			if err := newSet(&Options{State: tc.state, PID: os.Getpid()}, []hierarchy{h}).RemoveStale(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(stale.sharedGroup); !errors.Is(err, tc.want) {
				t.Errorf("%s: stat %s after RemoveStale: error %v, want %v", h.mount, stale.sharedGroup, err, tc.want)
			}
		}
		if _, err := os.Stat(alive.sharedGroup); err != nil {
			t.Errorf("group of a runner that still exists: error %v, want nil", err)
		}
		if err := errors.Join(alive.Close(), alive.Close(), stale.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestPath checks that Container removes the groups that an OCI runtime creates at
// Path. With the option Top, the groups are at the top of the hierarchy.
func TestPath(t *testing.T) {
	dir := t.TempDir()
	s := newTestSet(t, &Options{Parent: "p", Top: true}, hierarchy{mount: dir, own: filepath.Join(dir, "own"), controllers: []string{"memory"}})
	if want := "/p/" + s.name + "/step"; s.Path("step") != want {
		t.Errorf("path %s, want %s", s.Path("step"), want)
	}
	made := filepath.Join(dir, s.Path("step"), "inner")
	if err := os.MkdirAll(made, 0o755); err != nil {
		t.Fatal(err)
	}
	g := s.Container("step")
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(made)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("group of the step after Remove: error %v, want that it does not exist", err)
	}
	top := newTestSet(t, &Options{Top: true}, hierarchy{mount: dir, own: filepath.Join(dir, "own"), unified: true})
	if got := top.Dirs(); !slices.Equal(got, []string{filepath.Join(dir, top.name)}) {
		t.Errorf("Dirs for an OCI runtime: %q, want one at the top", got)
	}
}

// TestMeasure checks that Measure returns a version 2 group whose files count the CPU time of the
// step, with and without a device filter, and that it uses the group of a step that has one. Without
// version 2, there is no such group.
func TestMeasure(t *testing.T) {
	for _, h := range deviceHierarchies(t) {
		for about, o := range map[string]Options{"alone": {}, "with a parent": {Parent: "slipway-test-measure"}} {
			s := newTestSet(t, &o, h)
			t.Cleanup(func() { _ = remove(filepath.Join(h.mount, "slipway-test-measure")) }) // before Close
			if err := s.Filter(); err != nil {
				t.Fatal(err)
			}
			g, err := s.Step("step", &runner.Resources{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			dir := s.Measure(g, "step")
			if (dir != "") != h.unified {
				t.Errorf("%s, %s: group %q, want one in version 2 only", h.mount, about, dir)
			}
			if dir != "" {
				if got := run(t, g, false, "cat /proc/self/cgroup; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"); !strings.Contains(got, s.name+"/step") {
					t.Errorf("%s, %s: groups of a step are\n%s", h.mount, about, got)
				}
				if data, err := os.ReadFile(filepath.Join(dir, "cpu.stat")); err != nil || !strings.HasPrefix(string(data), "usage_usec ") || strings.HasPrefix(string(data), "usage_usec 0\n") {
					t.Errorf("%s, %s: CPU time %q, error %v", h.mount, about, data, err)
				}
				if again := s.Measure(g, "step"); again != dir {
					t.Errorf("%s, %s: second group %q, want %q", h.mount, about, again, dir)
				}
			}
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		}
	}
}
