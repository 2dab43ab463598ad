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

	"slipway/solver/runner"
)

// TestParse checks that hierarchies and the groups of a process in them are found.
func TestParse(t *testing.T) {
	const v1 = "30 1 0:1 / /c/cpu rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
	for _, tc := range []struct{ about, mounts, groups, want string }{
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
			t.Errorf("%s: got %q, want %q", tc.about, got, tc.want)
		}
	}
}

// TestBases checks that groups are created below the group of this process. With
// version 2 there are two alternatives.
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
			t.Errorf("%+v below %q: %q, want %q", tc.h, tc.parent, got, tc.want)
		}
	}
}

// filters returns the hierarchies of this machine that can filter devices, including
// version 2. If this user is not root, it returns nil.
func filters(t *testing.T) []hierarchy {
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

// opened returns a set that is closed at the end of the test. The test fails if it
// leaves groups.
func opened(t *testing.T, o *Options, all ...hierarchy) *Set {
	t.Helper()
	o.State, o.PID = t.TempDir(), os.Getpid()
	s := newSet(o, all)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, dir := range s.Dirs() {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", dir, err)
			}
		}
	})
	return s
}

// run runs a script in groups and returns its output.
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
		t.Errorf("the thread is in other groups: %v\n%s\nbefore\n%s", err, after, before)
	}
	return out.String()
}

// openAll creates devices and opens them. 60:0 does not exist, and 1:11 is the kernel
// log.
const openAll = `for d in c:1:3 c:1:5 c:1:7 c:1:8 c:1:9 c:1:11 b:60:0; do
	IFS=: read kind major minor <<-EOF
		$d
	EOF
	mknod $d $kind $major $minor && (: < $d) 2> error && echo $d
	grep -o 'Operation not permitted\|No such device.*' error
done`

// TestFilter checks that processes may create all devices and open some of them.
// Privileged processes may open all.
func TestFilter(t *testing.T) {
	const (
		some = "c:1:3\nc:1:5\nc:1:7\nc:1:8\nc:1:9\nOperation not permitted\nOperation not permitted\n"
		all  = "c:1:3\nc:1:5\nc:1:7\nc:1:8\nc:1:9\nc:1:11\nNo such device or address\n"
	)
	list := filters(t)
	for _, h := range list { // also with a thread that cannot return to its group
		h.own = ""
		list = append(list, h)
	}
	for _, h := range list {
		for _, parent := range []string{"", "slipway-test-parent/inner"} {
			s := opened(t, &Options{Parent: parent}, h)
			t.Cleanup(func() { _ = remove(filepath.Join(h.mount, "slipway-test-parent")) }) // before Close
			if err := errors.Join(s.Filter(), s.Filter()); err != nil {
				t.Fatal(err)
			}
			g, err := s.Step("step", &runner.Resources{})
			if err != nil {
				t.Fatal(err)
			}
			for privileged, want := range map[bool]string{false: some, true: all} {
				got := run(t, g, privileged, openAll)
				if got != want {
					t.Errorf("%s, parent %q, privileged %v: %q, want %q", h.mount, parent, privileged, got, want)
				}
			}
			got := run(t, g, false, "cat /proc/self/cgroup")
			if in := strings.TrimPrefix(filepath.Join(s.bases(&h)[0], s.name), h.mount); !strings.Contains(got, in+"/") {
				t.Errorf("%s, parent %q: a step is in\n%s", h.mount, parent, got)
			}
			if err := g.Remove(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestNoFilter checks that without control groups, devices cannot be filtered and steps
// have no groups.
func TestNoFilter(t *testing.T) {
	s := opened(t, &Options{}, hierarchy{mount: t.TempDir(), controllers: []string{"memory"}})
	for range 2 {
		if err := s.Filter(); err == nil {
			t.Error("devices are filtered without control groups")
		}
	}
	g, err := s.Step("step", &runner.Resources{})
	if err != nil || len(g.own)+len(g.members(true))+len(g.members(false)) > 0 {
		t.Errorf("groups %+v, %v", g, err)
	}
	if g.OutOfMemory() {
		t.Error("a step without a group is out of memory")
	}
}

// TestStale checks that groups of a runner that has ended are removed by the next
// runner with the same state, and by no other runner.
func TestStale(t *testing.T) {
	for _, h := range filters(t) {
		state := t.TempDir()
		ended := exec.CommandContext(t.Context(), "true")
		if err := ended.Run(); err != nil {
			t.Fatal(err)
		}
		left := newSet(&Options{State: state, PID: ended.Process.Pid}, []hierarchy{h})
		alive := newSet(&Options{State: state, PID: os.Getpid()}, []hierarchy{h})
		if err := errors.Join(left.Filter(), alive.Filter()); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			state string
			want  error
		}{{t.TempDir(), nil}, {state, fs.ErrNotExist}} {
			if err := newSet(&Options{State: tc.state, PID: os.Getpid()}, []hierarchy{h}).RemoveStale(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(left.common); !errors.Is(err, tc.want) {
				t.Errorf("%s: the next runner leaves %s: %v, want %v", h.mount, left.common, err, tc.want)
			}
		}
		if _, err := os.Stat(alive.common); err != nil {
			t.Errorf("the group of a runner that runs: %v", err)
		}
		if err := errors.Join(alive.Close(), alive.Close(), left.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestPath checks that groups that OCI runtimes create in all hierarchies are removed
// with the step.
func TestPath(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, &Options{Parent: "p", Top: true}, hierarchy{mount: dir, own: filepath.Join(dir, "own"), controllers: []string{"memory"}})
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
		t.Errorf("the group of the step is left: %v", err)
	}
	top := opened(t, &Options{Top: true}, hierarchy{mount: dir, own: filepath.Join(dir, "own"), unified: true})
	if got := top.Dirs(); !slices.Equal(got, []string{filepath.Join(dir, top.name)}) {
		t.Errorf("groups of an OCI runtime are in %q", got)
	}
}
