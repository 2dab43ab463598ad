package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/solver/runner"
)

// everything has a value for each limit that a step can have.
var everything = runner.Resources{Memory: 64 << 20, MemorySwap: 96 << 20, CPUShares: 512, CPUPeriod: 50000, CPUQuota: 25000, CPUSetCPUs: "0", CPUSetMems: "0"}

// TestSettings checks the files and values for limits in both versions.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		r            runner.Resources
		old, unified string
	}{
		{runner.Resources{}, "", ""},
		{
			everything,
			"memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=100663296 cpu.shares=512 cpu.cfs_period_us=50000 cpu.cfs_quota_us=25000 cpuset.cpus=0 cpuset.mems=0",
			"memory.max=67108864 memory.swap.max=33554432 cpu.weight=20 cpu.max=25000 50000 cpuset.cpus=0 cpuset.mems=0",
		},
		{runner.Resources{Memory: 5, MemorySwap: -1}, "memory.limit_in_bytes=5 memory.memsw.limit_in_bytes=-1", "memory.max=5 memory.swap.max=max"},
		{runner.Resources{CPUQuota: 7000}, "cpu.cfs_quota_us=7000", "cpu.max=7000 100000"},
		{runner.Resources{CPUPeriod: 7000}, "cpu.cfs_period_us=7000", "cpu.max=max 7000"},
		{runner.Resources{CPUShares: 1}, "cpu.shares=1", "cpu.weight=1"},
		{runner.Resources{CPUShares: 1 << 20}, "cpu.shares=1048576", "cpu.weight=10000"},
	} {
		var old, unified []string
		for _, s := range settings(&tc.r) {
			for _, v := range s.old {
				old = append(old, v.file+"="+v.text)
			}
			for _, v := range s.unified {
				unified = append(unified, v.file+"="+v.text)
			}
		}
		if got := strings.Join(old, " "); got != tc.old {
			t.Errorf("%+v, version 1: %s, want %s", tc.r, got, tc.old)
		}
		if got := strings.Join(unified, " "); got != tc.unified {
			t.Errorf("%+v, version 2: %s, want %s", tc.r, got, tc.unified)
		}
	}
}

// files creates a directory with empty files, and returns a function that checks their
// content.
func files(t *testing.T, dir string, want ...string) func() {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		name, _, _ := strings.Cut(w, "=")
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		for _, w := range want {
			name, text, _ := strings.Cut(w, "=")
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != text {
				t.Errorf("%s of %s is %q, %v, want %q", name, dir, got, err, text)
			}
		}
	}
}

// TestUnified checks that version 2 limits are applied to the group of a step, and that
// controllers are enabled in its parents.
func TestUnified(t *testing.T) {
	for _, parent := range []string{"", "/a/b"} {
		mount := t.TempDir()
		s := newSet(&Options{Parent: parent}, []hierarchy{{mount: mount, own: filepath.Join(mount, "own"), unified: true}})
		base := filepath.Join(mount, "own")
		if parent != "" {
			base = filepath.Join(mount, "a/b")
			defer files(t, filepath.Dir(base), "cgroup.subtree_control=+memory")()
			defer files(t, mount, "cgroup.subtree_control=+memory")()
		}
		files(t, mount, "cgroup.controllers=")
		if err := os.WriteFile(filepath.Join(mount, "cgroup.controllers"), []byte("memory pids\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		defer files(t, base, "cgroup.subtree_control=+memory")()
		defer files(t, filepath.Join(base, s.name), "cgroup.subtree_control=+memory")()
		defer files(t, filepath.Join(base, s.name, "step"), "memory.max=4096", "memory.swap.max=max")()
		g, err := s.Step("step", &runner.Resources{Memory: 4096, MemorySwap: -1})
		if err != nil {
			t.Fatal(err)
		}
		if list := g.members(false); len(list) != 1 || list[0].dir != filepath.Join(base, s.name, "step") {
			t.Errorf("the groups of a process are %+v", list)
		}
		var limit *LimitError
		if _, err := s.Step("other", &runner.Resources{CPUShares: 5}); !errors.As(err, &limit) || limit.Limit != "cpu-shares" || !strings.Contains(err.Error(), "no control groups limit it, as the controller cpu does not exist") {
			t.Errorf("without the controller: %v", err)
		}
	}
}

// TestBeside checks that the group of a step is created next to this process's group if
// that group cannot have children with limits.
func TestBeside(t *testing.T) {
	mount := t.TempDir()
	above, own := filepath.Join(mount, "above"), filepath.Join(mount, "above", "own")
	if err := os.MkdirAll(own, 0o755); err != nil { // without subtree_control
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mount, "cgroup.controllers"), []byte("cpu\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSet(&Options{}, []hierarchy{{mount: mount, own: own, unified: true}})
	defer files(t, above, "cgroup.subtree_control=+cpu")()
	defer files(t, filepath.Join(above, s.name), "cgroup.subtree_control=+cpu")()
	defer files(t, filepath.Join(above, s.name, "step"), "cpu.max=7000 100000")()
	if _, err := s.Step("step", &runner.Resources{CPUQuota: 7000}); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(own); err != nil || len(list) > 0 {
		t.Errorf("in the group of this process are left %v, %v", list, err)
	}
}

// TestEnable checks that enabled controllers are not enabled again.
func TestEnable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, subtreeControl), []byte("cpu memory\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := enable(dir, []string{"memory", "cpu"}); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, subtreeControl)); err != nil || string(got) != "cpu memory\n" {
		t.Errorf("controllers %q, %v", got, err)
	}
	if err := enable(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a group that does not exist: %v", err)
	}
}

// TestLimits checks that the kernel has the limits of a step, only for its own group.
func TestLimits(t *testing.T) {
	all, err := hierarchies()
	if err != nil || os.Geteuid() != 0 {
		return
	}
	s := opened(t, &Options{}, all...)
	if err := s.Check(&everything); err != nil {
		t.Fatal(err)
	}
	g, err := s.Step("step", &everything)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, setting := range settings(&everything) {
		i := slices.IndexFunc(all, func(h hierarchy) bool { return h.has(setting.controller) })
		values := setting.old
		if all[i].unified {
			values = setting.unified
		}
		for _, v := range values {
			want = append(want, v.file+"="+v.text)
			for _, dir := range g.own {
				if data, err := os.ReadFile(filepath.Join(dir, v.file)); err == nil {
					got = append(got, v.file+"="+strings.TrimSpace(string(data)))
				}
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("limits %q, want %q", got, want)
	}
	if got := run(t, g, false, "cat /proc/self/cgroup"); !strings.Contains(got, s.name+"/step\n") {
		t.Errorf("a step is in\n%s", got)
	}
	if g.OutOfMemory() {
		t.Error("a step is out of memory before it ran")
	}
	if got := run(t, g, false, "tail /dev/zero || echo killed"); !strings.Contains(got, "killed") || !g.OutOfMemory() {
		t.Errorf("a step that uses all memory prints %q, out of memory %v", got, g.OutOfMemory())
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

// TestRefused checks the errors for limits that the kernel rejects and for groups that
// cannot be created.
func TestRefused(t *testing.T) {
	none := hierarchy{mount: "/proc", own: "/proc", controllers: []string{"memory"}}
	for want, s := range map[string]*Set{
		"memory: make a control group: mkdir /proc/slipway-":           newSet(&Options{}, []hierarchy{none}),
		"memory: no control groups limit it, as the controller memory": newSet(&Options{}, nil),
	} {
		if err := s.Check(&runner.Resources{Memory: 1 << 20}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for want, s := range map[string]*Set{
		"cgroup-parent: make a control group: mkdir /proc/x: ": newSet(&Options{Parent: "x"}, []hierarchy{none}),
		"cgroup-parent: no control groups are mounted":         newSet(&Options{Parent: "x"}, nil),
	} {
		if err := s.Check(&runner.Resources{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if got := Unavailable(&runner.Resources{CPUQuota: 1}, fs.ErrInvalid).Error(); got != "cpu-quota: invalid argument" {
		t.Errorf("error %q", got)
	}
	if got := Unavailable(&runner.Resources{}, fs.ErrInvalid); got.Error() != "cgroup-parent: invalid argument" || !errors.Is(got, fs.ErrInvalid) {
		t.Errorf("error %q", got)
	}
	all, err := hierarchies()
	if err != nil || os.Geteuid() != 0 {
		return
	}
	s := opened(t, &Options{}, all...)
	want := "cpuset-cpus: the kernel refuses the value 9999 of cpuset.cpus (use one that the machine has)"
	if err := s.Check(&runner.Resources{Memory: 1 << 20, CPUSetCPUs: "9999"}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := (&setting{limit: "memory", old: []value{{"none", "1"}}}).set(&hierarchy{}, t.TempDir()); fmt.Sprint(err) != "memory: the kernel has no such limit: none does not exist (leave it out)" {
		t.Errorf("a limit that the kernel does not have: %v", err)
	}
}

// TestOutOfMemory checks that OOM kills are read from the kernel's files.
func TestOutOfMemory(t *testing.T) {
	for name, texts := range map[string][2]string{
		"memory.events":      {"oom 1\noom_kill 0\n", "oom 1\noom_kill 2\noom_group_kill 0\n"},
		"memory.oom_control": {"oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", "under_oom 0\noom_kill 1\n"},
	} {
		for i, text := range texts {
			g := &Group{own: []string{t.TempDir(), t.TempDir()}}
			if err := os.WriteFile(filepath.Join(g.own[1], name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := g.OutOfMemory(); got != (i == 1) {
				t.Errorf("%s %q: out of memory %v", name, text, got)
			}
		}
	}
}
