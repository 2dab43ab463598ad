package oci

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/oci"
	cdseccomp "github.com/containerd/containerd/v2/pkg/seccomp"
	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"slipway/solver/runner"
)

// Container configures what all processes of a step share: root, network, mounts,
// control group and user namespace.
type Container struct {
	Root          string // directory that becomes / of the processes
	ReadOnly      bool   // the root is read-only
	Hostname      string
	OwnNetwork    bool   // a network with only a loopback device
	Hosts, Resolv string // files for /etc/hosts and /etc/resolv.conf
	Mounts        []Mount
	Devices       []runner.Device
	Cgroup        string // path of the control group; unused in a user namespace
	Resources     runner.Resources
	UserNamespace bool // the builder is root in a user namespace
	OneUser       bool // the user namespace maps no user but root
}

// Mount is a tmpfs or a bind mount of a container. The source path of a bind mount is
// not known until the init process of the container has mounted the source. Until then,
// Number identifies the source.
type Mount struct {
	Target string
	Number int // identifies the source of a bind mount
	Tmpfs  bool
	Size   int64 // size of a tmpfs in bytes; 0 is no limit
}

// Process configures a process of a container: its command, environment, working
// directory, user, limits and privileges.
type Process struct {
	Args, Env []string
	Dir       string
	UID, GID  int
	Groups    []int // supplementary group IDs, including GID
	Limits    []Limit
	Terminal  bool
	Insecure  bool // all privileges of the builder (RUN --security=insecure)
}

// Limit is a resource limit of a process (setrlimit). Name is the name that Docker
// uses, such as nofile.
type Limit struct {
	Name       string
	Soft, Hard int64
}

// version is the OCI runtime specification version of a [Spec]. All supported runtimes
// know this version. crun rejects versions that it does not know, so a newer version
// would exclude older releases of crun.
const version = "1.0.2"

// Spec returns the OCI runtime configuration for a container and its first process.
// Capabilities, devices, namespaces and masked paths are containerd's defaults, and the
// seccomp filter is Docker's profile. Spec gets all of them from the Go packages that
// BuildKit uses.
func Spec(ctx context.Context, c *Container, p *Process) (*specs.Spec, error) {
	ctx = namespaces.WithNamespace(ctx, "slipway")
	opts := []oci.SpecOpts{
		oci.WithoutRunMount, // see https://github.com/moby/buildkit/issues/429
		oci.WithHostname(c.Hostname),
		oci.WithNewPrivileges, // su and sudo work
		oci.WithRootFSPath(c.Root),
		oci.WithCgroup(c.Cgroup),
		oci.WithMounts(systemMounts(c)),
	}
	opts = append(opts, limits(&c.Resources)...)
	if c.ReadOnly {
		opts = append(opts, oci.WithRootFSReadonly())
	}
	if !c.OwnNetwork {
		opts = append(opts, oci.WithHostNamespace(specs.NetworkNamespace))
	}
	s, err := oci.GenerateSpec(ctx, nil, &containers.Container{ID: "step"}, opts...)
	if err != nil {
		return nil, fmt.Errorf("describe the container: %w", err)
	}
	s.Version = version
	if hasCgroupNamespaces() {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	if s.Process, err = process(s.Process, p); err != nil {
		return nil, err
	}
	if p.Insecure {
		err = allowAll(s, c.UserNamespace)
	} else if cdseccomp.IsEnabled() {
		s.Linux.Seccomp, err = seccomp.GetDefaultProfile(s)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range c.Mounts {
		s.Mounts = append(s.Mounts, m.spec())
	}
	s.Mounts = uniqueTargets(s.Mounts)
	for i := range c.Devices {
		addDevice(s, &c.Devices[i])
	}
	if c.UserNamespace {
		c.restrictToUserNamespace(s)
	}
	return s, nil
}

// addDevice adds a device file to the spec of a container and permits its use.
func addDevice(s *specs.Spec, d *runner.Device) {
	kind, mode, major, minor := "c", os.FileMode(d.Mode), int64(d.Major), int64(d.Minor)
	if d.Block {
		kind = "b"
	}
	s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{
		Path: d.Path, Type: kind, Major: major, Minor: minor, FileMode: &mode, UID: &d.UID, GID: &d.GID,
	})
	if d.Access != "" {
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: kind, Major: &major, Minor: &minor, Access: d.Access,
		})
	}
}

// limits returns options that set the resource limits r in the spec of a container.
func limits(r *runner.Resources) []oci.SpecOpts {
	var opts []oci.SpecOpts
	if r.Memory != 0 {
		opts = append(opts, oci.WithMemoryLimit(uint64(r.Memory)))
	}
	if swap := r.MemorySwap; swap != 0 {
		opts = append(opts, func(_ context.Context, _ oci.Client, _ *containers.Container, s *specs.Spec) error {
			if s.Linux.Resources.Memory == nil {
				s.Linux.Resources.Memory = &specs.LinuxMemory{}
			}
			s.Linux.Resources.Memory.Swap = &swap
			return nil
		})
	}
	if r.CPUShares != 0 {
		opts = append(opts, oci.WithCPUShares(r.CPUShares))
	}
	if r.CPUQuota != 0 || r.CPUPeriod != 0 {
		opts = append(opts, oci.WithCPUCFS(r.CPUQuota, r.CPUPeriod))
	}
	if r.CPUSetCPUs != "" {
		opts = append(opts, oci.WithCPUs(r.CPUSetCPUs))
	}
	if r.CPUSetMems != "" {
		opts = append(opts, oci.WithCPUsMems(r.CPUSetMems))
	}
	return opts
}

// ProcessSpec returns the OCI runtime configuration for the additional process p in the
// container that the spec s describes. The process has the privileges of the first
// process in s.
func ProcessSpec(s *specs.Spec, p *Process) (*specs.Process, error) { return process(s.Process, p) }

// process returns the OCI runtime configuration for p. Settings that [Process] does not
// contain, such as capabilities, are copied from base.
func process(base *specs.Process, p *Process) (*specs.Process, error) {
	s := *base
	s.Args, s.Env, s.Cwd, s.Terminal = p.Args, p.Env, p.Dir, p.Terminal
	s.User = specs.User{UID: uint32(p.UID), GID: uint32(p.GID)}
	for _, g := range p.Groups {
		s.User.AdditionalGids = append(s.User.AdditionalGids, uint32(g))
	}
	s.Rlimits = nil
	for _, l := range p.Limits {
		s.Rlimits = append(s.Rlimits, specs.POSIXRlimit{
			Type: "RLIMIT_" + strings.ToUpper(l.Name), Soft: uint64(l.Soft), Hard: uint64(l.Hard),
		})
	}
	return &s, nil
}

// systemMounts returns the mounts that BuildKit adds to containerd's defaults: the
// files resolv.conf and hosts, and read-only control groups.
func systemMounts(c *Container) []specs.Mount {
	file := func(target, source string) specs.Mount {
		return specs.Mount{Destination: target, Type: "bind", Source: source, Options: []string{"nosuid", "noexec", "nodev", "rbind", "ro"}}
	}
	return []specs.Mount{
		file("/etc/resolv.conf", c.Resolv),
		file("/etc/hosts", c.Hosts),
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}},
	}
}

// spec converts m to a mount of the OCI runtime specification. The source of a bind
// mount is m.Number in decimal digits instead of a path. The only option of a bind
// mount is rbind, so that the mount has the same flags as its source.
func (m *Mount) spec() specs.Mount {
	if !m.Tmpfs {
		return specs.Mount{Destination: m.Target, Type: "bind", Source: strconv.Itoa(m.Number), Options: []string{"rbind"}}
	}
	out := specs.Mount{Destination: m.Target, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid"}}
	if m.Size > 0 {
		out.Options = append(out.Options, fmt.Sprintf("size=%d", m.Size))
	}
	return out
}

// MountNumber returns the [Mount].Number of m, a bind mount in a spec, as long as the
// caller of [Spec] has not replaced the number with a source path. For other mounts it
// returns false.
func MountNumber(m *specs.Mount) (int, bool) {
	n, err := strconv.Atoi(m.Source)
	return n, err == nil && m.Type == "bind"
}

// uniqueTargets returns a list without mounts that another mount hides. Of several
// mounts with the same target, only the last one remains, at the position of the first
// one.
func uniqueTargets(list []specs.Mount) []specs.Mount {
	var out []specs.Mount
	for _, m := range list {
		if i := slices.IndexFunc(out, func(o specs.Mount) bool { return o.Destination == m.Destination }); i >= 0 {
			out[i] = m
			continue
		}
		out = append(out, m)
	}
	return out
}

// restrictToUserNamespace removes from s everything that requires root outside the user
// namespace, such as control groups and limits. If the container uses the host's
// network, the kernel forbids a new sysfs. In this case, the host's /sys is mounted
// instead, with masked control groups. BuildKit's rootless steps have no /sys at all.
func (c *Container) restrictToUserNamespace(s *specs.Spec) {
	s.Linux.Resources, s.Linux.CgroupsPath = nil, ""
	s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
	for i := range s.Mounts {
		m := &s.Mounts[i]
		switch {
		case m.Type == "sysfs" && !c.OwnNetwork:
			m.Type, m.Source = "bind", "/sys"
			m.Options = []string{"rbind", "nosuid", "noexec", "nodev", "ro"}
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, path.Join(m.Destination, "fs/cgroup"))
		case m.Type == "devpts" && c.OneUser: // the group tty does not exist
			m.Options = slices.DeleteFunc(m.Options, func(o string) bool { return strings.HasPrefix(o, "gid=") })
		}
	}
	if c.OneUser {
		s.Process.User.AdditionalGids = nil
	}
}

// hasCgroupNamespaces reports whether containers have their own namespace of version 2
// control groups.
//
// Upstream: BuildKit does not create these namespaces with version 1, because the
// runtime may fail. See https://github.com/moby/buildkit/issues/4108.
func hasCgroupNamespaces() bool {
	for _, file := range []string{"/proc/self/ns/cgroup", "/sys/fs/cgroup/cgroup.subtree_control"} {
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	return true
}
