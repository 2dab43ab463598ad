package oci

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"slipway/solver/runner"
)

// mountAt returns the mount with the given target in the spec s. The test fails unless
// the spec contains exactly one such mount.
func mountAt(t *testing.T, s *specs.Spec, target string) specs.Mount {
	t.Helper()
	var found []specs.Mount
	for _, m := range s.Mounts {
		if m.Destination == target {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d mounts at %s, want 1", len(found), target)
	}
	return found[0]
}

// spec returns the configuration for a container and its first process.
func spec(t *testing.T, c *Container, p *Process) *specs.Spec {
	t.Helper()
	s, err := Spec(t.Context(), c, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLimits checks that Spec sets each resource limit of a container, and sets none in
// a user namespace.
func TestLimits(t *testing.T) {
	c := &Container{Resources: runner.Resources{Memory: 1, MemorySwap: -1, CPUShares: 2, CPUPeriod: 3, CPUQuota: 4, CPUSetCPUs: "5", CPUSetMems: "6"}}
	got := spec(t, c, &Process{}).Linux.Resources
	memory, swap, shares, period, quota := int64(1), int64(-1), uint64(2), uint64(3), int64(4)
	want := &specs.LinuxResources{
		Devices: got.Devices, Memory: &specs.LinuxMemory{Limit: &memory, Swap: &swap},
		CPU: &specs.LinuxCPU{Shares: &shares, Period: &period, Quota: &quota, Cpus: "5", Mems: "6"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
	c.Resources = runner.Resources{MemorySwap: 7}
	if got := spec(t, c, &Process{}).Linux.Resources; got.CPU != nil || got.Memory == nil || *got.Memory.Swap != 7 || got.Memory.Limit != nil {
		t.Errorf("with MemorySwap: memory %+v, CPU %+v, want swap 7 only", got.Memory, got.CPU)
	}
	c.Resources = runner.Resources{CPUQuota: 7}
	if got := spec(t, c, &Process{}).Linux.Resources; got.CPU == nil || *got.CPU.Quota != 7 || got.Memory != nil {
		t.Errorf("with CPUQuota: memory %+v, CPU %+v, want quota 7 only", got.Memory, got.CPU)
	}
	c.Resources = runner.Resources{CPUPeriod: 7}
	if got := spec(t, c, &Process{}).Linux.Resources; got.CPU == nil || *got.CPU.Period != 7 {
		t.Errorf("with CPUPeriod: CPU %+v, want period 7", got.CPU)
	}
	if c.UserNamespace = true; spec(t, c, &Process{}).Linux.Resources != nil {
		t.Error("a container in a user namespace has limits")
	}
}

// TestSpec checks that a container has the mounts of the step, and that its process has
// exactly the privileges of a process that BuildKit starts.
func TestSpec(t *testing.T) {
	c := &Container{Root: "/r", ReadOnly: true, Hostname: "here", Hosts: "/h", Resolv: "/v", Cgroup: "/slipway/x", Mounts: []Mount{
		{Target: "/t", Tmpfs: true, Size: 4096}, {Target: "/b", Number: 7}, {Target: "/etc/hosts", Number: 8},
	}}
	p := &Process{
		Args: []string{"a"}, Env: []string{"B=c"}, Dir: "/d", UID: 1, GID: 2, Groups: []int{2, 3},
		Limits: []Limit{{Name: "nofile", Soft: 4, Hard: 5}}, Terminal: true,
	}
	s := spec(t, c, p)
	if s.Root.Path != "/r" || !s.Root.Readonly || s.Hostname != "here" || s.Linux.CgroupsPath != "/slipway/x" || s.Version != version {
		t.Errorf("root %+v, host name %q, control group %q, version %q, want a read-only /r, here, /slipway/x, %s", s.Root, s.Hostname, s.Linux.CgroupsPath, s.Version, version)
	}
	q := s.Process
	if q.Args[0] != "a" || q.Env[0] != "B=c" || q.Cwd != "/d" || q.User.UID != 1 || q.User.GID != 2 || !slices.Equal(q.User.AdditionalGids, []uint32{2, 3}) || !q.Terminal {
		t.Errorf("process %+v, want %+v", q, p)
	}
	if want := (specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: 5, Soft: 4}); len(q.Rlimits) != 1 || q.Rlimits[0] != want {
		t.Errorf("limits %+v, want %+v", q.Rlimits, want)
	}
	if q.NoNewPrivileges || slices.Contains(q.Capabilities.Bounding, "CAP_SYS_ADMIN") || len(q.Capabilities.Bounding) != 14 || len(q.Capabilities.Ambient)+len(q.Capabilities.Inheritable) > 0 {
		t.Errorf("no new privileges %v, capabilities %+v, want false and Docker's 14", q.NoNewPrivileges, q.Capabilities)
	}
	if s.Linux.Seccomp == nil || s.Linux.Seccomp.DefaultAction != specs.ActErrno {
		t.Errorf("seccomp filter %+v, want one that rejects by default", s.Linux.Seccomp)
	}
	if d := s.Linux.Resources.Devices; len(d) != 1 || d[0].Allow || !slices.Contains(s.Linux.MaskedPaths, "/proc/keys") || !slices.Contains(s.Linux.ReadonlyPaths, "/proc/sys") {
		t.Errorf("device rules %+v, masked %v, read-only %v, want none allowed, /proc/keys, /proc/sys", d, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths)
	}
	if m := mountAt(t, s, "/t"); m.Type != "tmpfs" || !slices.Equal(m.Options, []string{"nosuid", "size=4096"}) {
		t.Errorf("mount at /t %+v, want a tmpfs with size 4096", m)
	}
	for target, want := range map[string]int{"/b": 7, "/etc/hosts": 8} {
		m := mountAt(t, s, target)
		if n, ok := MountNumber(&m); !ok || n != want {
			t.Errorf("mount at %s has the number %d, %v, want %d", target, n, ok, want)
		}
	}
	if m := mountAt(t, s, "/etc/resolv.conf"); m.Source != "/v" || !slices.Contains(m.Options, "ro") {
		t.Errorf("mount at /etc/resolv.conf %+v, want a read-only /v", m)
	}
	if m := mountAt(t, s, "/proc"); m.Type != "proc" {
		t.Errorf("mount at /proc %+v, want type proc", m)
	} else if _, ok := MountNumber(&m); ok {
		t.Error("MountNumber accepts /proc, want bind mounts only")
	}
	if slices.ContainsFunc(s.Mounts, func(m specs.Mount) bool { return m.Destination == "/run" }) {
		t.Error("got a mount at /run, want none")
	}
}

// TestNetwork checks that a container has its own network namespace only if OwnNetwork
// is set.
func TestNetwork(t *testing.T) {
	for _, own := range []bool{false, true} {
		s := spec(t, &Container{OwnNetwork: own}, &Process{})
		if got := slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace }); got != own {
			t.Errorf("own network namespace: %v, want %v", got, own)
		}
	}
}

// TestInsecure checks that an insecure process has all capabilities of the builder and
// no restrictions, and that it has extra devices unless it is in a user namespace.
func TestInsecure(t *testing.T) {
	for _, inside := range []bool{false, true} {
		s := spec(t, &Container{UserNamespace: inside}, &Process{Insecure: true})
		caps, err := capabilities()
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]string{s.Process.Capabilities.Bounding, s.Process.Capabilities.Ambient, s.Process.Capabilities.Effective} {
			if !slices.Equal(list, caps) {
				t.Errorf("capabilities %v, want %v", list, caps)
			}
		}
		if s.Linux.Seccomp != nil || len(s.Linux.MaskedPaths) > 1 || len(s.Linux.ReadonlyPaths) > 0 {
			t.Errorf("seccomp filter %v, masked %v, read-only %v, want none", s.Linux.Seccomp, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths)
		}
		if got := len(s.Linux.Devices) > 0; got == inside {
			t.Errorf("user namespace %v: devices %v, want some: %v", inside, s.Linux.Devices, !inside)
		}
		if !inside && !slices.Contains(mountAt(t, s, "/sys").Options, "rw") {
			t.Error("/sys is read-only, want it writable")
		}
	}
}

// TestUserNamespace checks that a spec for a user namespace contains nothing that
// requires root outside the namespace: no control groups, no limits, and no group tty.
func TestUserNamespace(t *testing.T) {
	s := spec(t, &Container{Cgroup: "/x", UserNamespace: true, OneUser: true}, &Process{Groups: []int{0}})
	if s.Linux.CgroupsPath != "" || s.Linux.Resources != nil || s.Process.User.AdditionalGids != nil {
		t.Errorf("control group %q, resources %v, group IDs %v, want none", s.Linux.CgroupsPath, s.Linux.Resources, s.Process.User.AdditionalGids)
	}
	if m := mountAt(t, s, "/sys"); m.Type != "bind" || m.Source != "/sys" || !slices.Contains(m.Options, "ro") || !slices.Contains(s.Linux.MaskedPaths, "/sys/fs/cgroup") {
		t.Errorf("mount at /sys %+v, masked %v, want the host's without /sys/fs/cgroup", m, s.Linux.MaskedPaths)
	}
	if m := mountAt(t, s, "/dev/pts"); strings.Contains(strings.Join(m.Options, ","), "gid=") {
		t.Errorf("mount at /dev/pts %+v, want no gid", m)
	}
	s = spec(t, &Container{UserNamespace: true, OwnNetwork: true}, &Process{Groups: []int{5}})
	if m := mountAt(t, s, "/sys"); m.Type != "sysfs" {
		t.Errorf("mount at /sys with an own network %+v, want sysfs", m)
	}
	if m := mountAt(t, s, "/dev/pts"); !slices.Contains(m.Options, "gid=5") || len(s.Process.User.AdditionalGids) != 1 {
		t.Errorf("mount at /dev/pts %+v, group IDs %v, want gid=5 and [5]", m, s.Process.User.AdditionalGids)
	}
}

// TestProcessSpec checks that a further process of a container has the privileges of
// the first one, but its own user, arguments and limits.
func TestProcessSpec(t *testing.T) {
	s := spec(t, &Container{}, &Process{Args: []string{"a"}, Limits: []Limit{{Name: "core"}}})
	p, err := ProcessSpec(s, &Process{Args: []string{"b"}, UID: 3})
	if err != nil {
		t.Fatal(err)
	}
	if p.Args[0] != "b" || p.User.UID != 3 || p.Rlimits != nil || len(p.Capabilities.Bounding) != 14 || s.Process.Args[0] != "a" {
		t.Errorf("process %+v, want b as user 3 with the 14 capabilities of the container and no limits", p)
	}
}
