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

// allLimits contains a value for every resource limit.
var allLimits = runner.Resources{Memory: 64 << 20, MemorySwap: 96 << 20, CPUShares: 512, CPUPeriod: 50000, CPUQuota: 25000, CPUSetCPUs: "0", CPUSetMems: "0"}

// TestSettings checks, for each limit, which text is written to which control files in
// version 1 and version 2.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		r      runner.Resources
		v1, v2 string
	}{
		{runner.Resources{}, "", ""},
		{
			allLimits,
			"memory.limit_in_bytes=67108864 memory.memsw.limit_in_bytes=100663296 cpu.shares=512 cpu.cfs_period_us=50000 cpu.cfs_quota_us=25000 cpuset.cpus=0 cpuset.mems=0",
			"memory.max=67108864 memory.swap.max=33554432 cpu.weight=20 cpu.max=25000 50000 cpuset.cpus=0 cpuset.mems=0",
		},
		{runner.Resources{Memory: 5, MemorySwap: -1}, "memory.limit_in_bytes=5 memory.memsw.limit_in_bytes=-1", "memory.max=5 memory.swap.max=max"},
		{runner.Resources{CPUQuota: 7000}, "cpu.cfs_quota_us=7000", "cpu.max=7000 100000"},
		{runner.Resources{CPUPeriod: 7000}, "cpu.cfs_period_us=7000", "cpu.max=max 7000"},
		{runner.Resources{CPUShares: 1}, "cpu.shares=1", "cpu.weight=1"},
		{runner.Resources{CPUShares: 1 << 20}, "cpu.shares=1048576", "cpu.weight=10000"},
	} {
		var v1, v2 []string
		for _, s := range settings(&tc.r) {
			for _, v := range s.v1 {
				v1 = append(v1, v.file+"="+v.text)
			}
			for _, v := range s.v2 {
				v2 = append(v2, v.file+"="+v.text)
			}
		}
		if got := strings.Join(v1, " "); got != tc.v1 {
			t.Errorf("%+v, version 1: %s, want %s", tc.r, got, tc.v1)
		}
		if got := strings.Join(v2, " "); got != tc.v2 {
			t.Errorf("%+v, version 2: %s, want %s", tc.r, got, tc.v2)
		}
	}
}

// controlFiles creates the directory dir with an empty file NAME for each NAME=TEXT in
// want. It returns a function that checks that each file NAME now contains TEXT.
func controlFiles(t *testing.T, dir string, want ...string) func() {
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
				t.Errorf("%s in %s: %q, error %v, want %q", name, dir, got, err, text)
			}
		}
	}
}

// TestLimitsV2 checks that Step writes version 2 limits to the group of the step and
// enables the controllers of these limits in all groups above it.
func TestLimitsV2(t *testing.T) {
	for _, parent := range []string{"", "/a/b"} {
		mount := t.TempDir()
		s := newSet(&Options{Parent: parent}, []hierarchy{{mount: mount, own: filepath.Join(mount, "own"), unified: true}})
		base := filepath.Join(mount, "own")
		if parent != "" {
			base = filepath.Join(mount, "a/b")
			defer controlFiles(t, filepath.Dir(base), "cgroup.subtree_control=+memory")()
			defer controlFiles(t, mount, "cgroup.subtree_control=+memory")()
		}
		controlFiles(t, mount, "cgroup.controllers=")
		if err := os.WriteFile(filepath.Join(mount, "cgroup.controllers"), []byte("memory pids\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		defer controlFiles(t, base, "cgroup.subtree_control=+memory")()
		defer controlFiles(t, filepath.Join(base, s.name), "cgroup.subtree_control=+memory")()
		defer controlFiles(t, filepath.Join(base, s.name, "step"), "memory.max=4096", "memory.swap.max=max")()
		g, err := s.Step("step", &runner.Resources{Memory: 4096, MemorySwap: -1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if list := g.members(false); len(list) != 1 || list[0].dir != filepath.Join(base, s.name, "step") {
			t.Errorf("groups of a process: %+v, want the step's only", list)
		}
		var limit *LimitError
		if _, err := s.Step("other", &runner.Resources{CPUShares: 5}, nil); !errors.As(err, &limit) || limit.Limit != "cpu-shares" || !strings.Contains(err.Error(), "no control groups limit it, as the controller cpu does not exist") {
			t.Errorf("limit without a controller: error %v, want a LimitError for cpu-shares", err)
		}
	}
}

// TestSibling checks that Step creates a group next to the builder's group if the
// kernel allows no children with limits below the builder's group.
func TestSibling(t *testing.T) {
	mount := t.TempDir()
	above, own := filepath.Join(mount, "above"), filepath.Join(mount, "above", "own")
	if err := os.MkdirAll(own, 0o755); err != nil { // without subtree_control
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(mount, "cgroup.controllers"), []byte("cpu\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSet(&Options{}, []hierarchy{{mount: mount, own: own, unified: true}})
	defer controlFiles(t, above, "cgroup.subtree_control=+cpu")()
	defer controlFiles(t, filepath.Join(above, s.name), "cgroup.subtree_control=+cpu")()
	defer controlFiles(t, filepath.Join(above, s.name, "step"), "cpu.max=7000 100000")()
	if _, err := s.Step("step", &runner.Resources{CPUQuota: 7000}, nil); err != nil {
		t.Error(err)
	}
	if list, err := os.ReadDir(own); err != nil || len(list) > 0 {
		t.Errorf("children of the builder's group: %v, error %v, want none", list, err)
	}
}

// TestEnable checks that enable does not write to the kernel if all controllers are
// enabled already.
func TestEnable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, subtreeControl), []byte("cpu memory\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := enable(dir, []string{"memory", "cpu"}); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, subtreeControl)); err != nil || string(got) != "cpu memory\n" {
		t.Errorf("subtree_control %q, error %v, want it unchanged", got, err)
	}
	if err := enable(filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("enable in a group that does not exist: error %v, want %v", err, fs.ErrNotExist)
	}
}

// TestLimits checks on the kernel of this machine that the group of a step has all
// limits, that its processes are in the group, and that exceeding the memory limit is
// reported.
func TestLimits(t *testing.T) {
	all, err := hierarchies()
	if err != nil || os.Geteuid() != 0 {
		return
	}
	s := newTestSet(t, &Options{}, all...)
	if err := s.Check(&allLimits); err != nil {
		t.Fatal(err)
	}
	g, err := s.Step("step", &allLimits, nil)
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, setting := range settings(&allLimits) {
		i := slices.IndexFunc(all, func(h hierarchy) bool { return h.has(setting.controller) })
		values := setting.v1
		if all[i].unified {
			values = setting.v2
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
		t.Errorf("groups of a step are\n%swant one with the name of the step", got)
	}
	if g.OutOfMemory() {
		t.Error("OutOfMemory is true before the step runs, want false")
	}
	if got := run(t, g, false, "tail /dev/zero || echo killed"); !strings.Contains(got, "killed") || !g.OutOfMemory() {
		t.Errorf("a step that uses all memory prints %q, out of memory %v, want killed and true", got, g.OutOfMemory())
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
}

// TestLimitErrors checks that the error for a limit that cannot be applied names the
// docker build flag and the reason.
func TestLimitErrors(t *testing.T) {
	none := hierarchy{mount: "/proc", own: "/proc", controllers: []string{"memory"}}
	for want, s := range map[string]*Set{
		"memory: make a control group: mkdir /proc/slipway-":           newSet(&Options{}, []hierarchy{none}),
		"memory: no control groups limit it, as the controller memory": newSet(&Options{}, nil),
	} {
		if err := s.Check(&runner.Resources{Memory: 1 << 20}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	for want, s := range map[string]*Set{
		"cgroup-parent: make a control group: mkdir /proc/x: ": newSet(&Options{Parent: "x"}, []hierarchy{none}),
		"cgroup-parent: no control groups are mounted":         newSet(&Options{Parent: "x"}, nil),
	} {
		if err := s.Check(&runner.Resources{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if got := Unavailable(&runner.Resources{CPUQuota: 1}, fs.ErrInvalid).Error(); got != "cpu-quota: invalid argument" {
		t.Errorf("error %q, want one about cpu-quota", got)
	}
	if got := Unavailable(&runner.Resources{}, fs.ErrInvalid); got.Error() != "cgroup-parent: invalid argument" || !errors.Is(got, fs.ErrInvalid) {
		t.Errorf("error %q, want one about cgroup-parent", got)
	}
	all, err := hierarchies()
	if err != nil || os.Geteuid() != 0 {
		return
	}
	s := newTestSet(t, &Options{}, all...)
	want := "cpuset-cpus: the kernel rejects the value \"9999\" of cpuset.cpus (use one that the machine has)"
	if err := s.Check(&runner.Resources{Memory: 1 << 20, CPUSetCPUs: "9999"}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := (&setting{limit: "memory", v1: []value{{"none", "1"}}}).set(&hierarchy{}, t.TempDir()); fmt.Sprint(err) != "memory: the kernel has no such limit: none does not exist (leave it out)" {
		t.Errorf("a limit that the kernel does not have: error %v, want that memory does not exist", err)
	}
}

// TestOOMKill checks that OutOfMemory reads the count of OOM kills from the control
// files of both versions.
func TestOOMKill(t *testing.T) {
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
				t.Errorf("%s %q: out of memory %v, want %v", name, text, got, i == 1)
			}
		}
	}
}
