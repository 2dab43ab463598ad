package dockerfile2llb

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/system"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/plan"
)

// exec is the operation of a RUN instruction.
type exec struct {
	msg          pb.ExecOp
	meta         pb.Meta
	mounts       []mount // the mounted trees, sorted by target; they precede clientMounts in the message
	clientMounts []*pb.Mount
	platform     *pb.Platform // nil selects the platform of the build
	hasLimits    bool         // whether the resources are limited
	kind         pb.Op_Exec
}

// mount is a file tree that is mounted for a RUN instruction.
type mount struct {
	msg      *pb.Mount
	source   llb.Output // the mounted tree; nil is an empty tree
	noOutput bool       // whether writes are discarded
}

// exec emits the operation of a RUN instruction, which starts from the output of the
// previous step. Like upstream, it silently drops restrictions of the process, such as
// ulimits, that the daemon does not support.
func (e *emitter) exec(v *envCache, out llb.Output, s *plan.Exec) (llb.Output, error) {
	x := &exec{mounts: make([]mount, 1, 1+len(s.Mounts))}
	x.mounts[0] = mount{msg: &pb.Mount{Dest: pb.RootMount}, source: out}
	x.platform = execPlatform(s.State.Platform, out)
	x.msg.Meta = &x.meta
	x.meta.Args = s.Args
	x.meta.Cwd = s.State.Dir
	if !path.IsAbs(x.meta.Cwd) {
		x.meta.Cwd = path.Join("/", x.meta.Cwd)
	}
	x.meta.User = s.State.User
	x.meta.Hostname = s.State.Hostname
	x.meta.Env = v.env(s.State.Env)
	x.meta.RemoveMountStubsRecursive = true
	x.meta.ProxyEnv = e.proxy
	x.msg.Network = networkMode(e.plan.Options.Network)
	if s.Network != "" {
		x.msg.Network = networkMode(s.Network)
	}
	if s.Security == "insecure" {
		x.msg.Security = pb.SecurityMode_INSECURE
	}
	if s.Script != nil {
		x.mounts = append(x.mounts, scriptMount(s.Script))
	}
	for i := range s.Mounts {
		if err := e.mount(x, &s.Mounts[i]); err != nil {
			return nil, err
		}
	}
	if e.supports(pb.CapExecMetaCDI) {
		for _, d := range s.Devices {
			x.msg.CdiDevices = append(x.msg.CdiDevices, &pb.CDIDevice{Name: d.Name, Optional: d.Optional})
		}
	}
	o := e.newOp(x, &s.StepInfo)
	o.description[commandKey] = s.Description
	e.limit(x, o)
	slices.SortFunc(x.mounts, func(a, b mount) int { return strings.Compare(a.msg.Dest, b.msg.Dest) })
	return o, nil
}

// execPlatform returns the platform on which a process runs: the platform p or, if p is
// nil, the platform of the output from which the process starts.
func execPlatform(p *ocispecs.Platform, out llb.Output) *pb.Platform {
	if p == nil {
		of, ok := out.(interface{ Platform() *ocispecs.Platform })
		if !ok {
			return nil
		}
		if p = of.Platform(); p == nil {
			return nil
		}
	}
	n := platforms.Normalize(*p)
	return platformMessage(&n)
}

// platformMessage encodes a platform as a protobuf message.
func platformMessage(p *ocispecs.Platform) *pb.Platform {
	return &pb.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		OSVersion: p.OSVersion, OSFeatures: slices.Clone(p.OSFeatures),
	}
}

// scriptMount returns a mount with one executable file, which contains s, a heredoc of RUN
// that starts with #!.
func scriptMount(s *plan.Script) mount {
	file := llb.Scratch().File(
		llb.Mkfile(s.Name, 0o755, []byte(s.Data)),
		internalName("preparing inline document"),
		llb.Platform(s.Platform),
	)
	return mount{
		msg:    &pb.Mount{Dest: plan.ScriptDir, Selector: "/", Readonly: true},
		source: file.Output(),
	}
}

// limit applies the build options for all RUN processes, such as ulimits and extra hosts,
// to a process and its operation.
func (e *emitter) limit(x *exec, to *op) {
	o := &e.plan.Options
	if e.supports(pb.CapExecMetaUlimit) {
		for _, u := range o.Ulimits {
			x.meta.Ulimit = append(x.meta.Ulimit, &pb.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
		}
	}
	for _, h := range o.ExtraHosts {
		x.meta.ExtraHosts = append(x.meta.ExtraHosts, &pb.HostIP{Host: h.Host, IP: h.IP.String()})
	}
	if o.ShmSize > 0 && e.supports(pb.CapExecMountTmpfsSize) {
		x.mounts = append(x.mounts, mount{msg: &pb.Mount{
			Dest: "/dev/shm", MountType: pb.MountType_TMPFS, TmpfsOpt: &pb.TmpfsOpt{Size: o.ShmSize},
		}})
	}
	if o.CgroupParent != "" && e.supports(pb.CapExecMetaCgroupParent) {
		x.meta.CgroupParent = o.CgroupParent
	}
	if r := o.Resources; r != nil && e.supports(pb.CapExecMetaLinuxResources) {
		x.hasLimits = true
		to.resources = &pb.LinuxResources{
			Memory: r.Memory, MemorySwap: r.MemorySwap,
			CpuShares: r.CPUShares, CpuPeriod: r.CPUPeriod, CpuQuota: r.CPUQuota,
			CpusetCpus: r.CPUSetCPUs, CpusetMems: r.CPUSetMems,
		}
	}
}

// Inputs implements body. It returns the mounted trees.
func (x *exec) Inputs() []llb.Output {
	list := make([]llb.Output, 0, len(x.mounts))
	for i := range x.mounts {
		if src := x.mounts[i].source; src != nil && !slices.Contains(list, src) {
			list = append(list, src)
		}
	}
	return list
}

// index implements body. It returns the position of the root file system in the list of
// mounts that have an output.
func (x *exec) index() int64 {
	n := int64(0)
	for i := range x.mounts {
		m := &x.mounts[i]
		if m.msg.Dest == pb.RootMount && m.msg.MountType == pb.MountType_BIND {
			break
		}
		if m.hasOutput() {
			n++
		}
	}
	return n
}

// hasOutput reports whether the changed tree of the mount is an output of the operation.
func (m *mount) hasOutput() bool {
	return !m.noOutput && !m.msg.Readonly && m.msg.MountType == pb.MountType_BIND
}

func (x *exec) write(ctx context.Context, c *llb.Constraints, to *message) error {
	if len(x.meta.Args) == 0 {
		return diag.Errorf(to.location, "arguments are required").Hinted("the array is empty, so there is no command to run")
	}
	x.capabilities(to)
	x.msg.Meta = x.withDefaultPath(c, to)
	to.Platform = x.platform
	if to.Platform == nil {
		to.Platform = platformMessage(c.Platform)
	}
	x.msg.Mounts = make([]*pb.Mount, 0, len(x.mounts)+len(x.clientMounts))
	outputs := int64(0)
	for i := range x.mounts {
		m := &x.mounts[i]
		if m.msg.TmpfsOpt != nil && m.source != nil {
			return diag.Errorf(to.location, "tmpfs mounts must use scratch")
		}
		var err error
		if m.msg.Input, err = to.input(ctx, m.source, c); err != nil {
			return err
		}
		m.msg.Output = int64(pb.SkipOutput)
		if m.hasOutput() {
			m.msg.Output = outputs
			outputs++
		}
		x.msg.Mounts = append(x.msg.Mounts, m.msg)
	}
	x.msg.Mounts = append(x.msg.Mounts, x.clientMounts...)
	x.kind.Exec = &x.msg
	to.Op.Op = &x.kind
	return nil
}

// withDefaultPath returns the process with the default PATH variable. If the process has a
// PATH or the daemon sets the default itself, it returns the process unchanged.
func (x *exec) withDefaultPath(c *llb.Constraints, to *message) *pb.Meta {
	if c.Caps == nil {
		return &x.meta
	}
	if c.Caps.Supports(pb.CapExecMetaSetsDefaultPath) == nil {
		to.require(pb.CapExecMetaSetsDefaultPath)
		return &x.meta
	}
	if c.Platform.OS == "windows" || hasVariable(x.meta.Env, "PATH") {
		return &x.meta
	}
	meta := x.meta.CloneVT()
	meta.Env = append(slices.Clip(meta.Env), "PATH="+system.DefaultPathEnv(c.Platform.OS))
	return meta
}

// hasVariable reports whether env, a list of KEY=VALUE entries, sets the variable.
func hasVariable(env []string, name string) bool {
	return slices.ContainsFunc(env, func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return key == name
	})
}

// capabilities declares, in the operation message to, the daemon capabilities that the RUN
// operation requires.
func (x *exec) capabilities(to *message) {
	to.require(pb.CapExecMetaBase)
	if len(x.meta.Ulimit) > 0 {
		to.require(pb.CapExecMetaUlimit)
	}
	if x.msg.Network != llb.NetModeSandbox {
		to.require(pb.CapExecMetaNetwork)
	}
	if x.msg.Security != llb.SecurityModeSandbox {
		to.require(pb.CapExecMetaSecurity)
	}
	if x.meta.ProxyEnv != nil {
		to.require(pb.CapExecMetaProxy)
	}
	if x.hasLimits {
		to.require(pb.CapExecMetaLinuxResources)
	}
	if len(x.msg.CdiDevices) > 0 {
		to.require(pb.CapExecMetaCDI)
	}
	for i := range x.mounts {
		x.mounts[i].capabilities(to)
	}
	if len(x.msg.Secretenv) > 0 {
		to.require(pb.CapExecMountSecret, pb.CapExecSecretEnv)
	}
	for _, m := range x.clientMounts {
		if m.MountType == pb.MountType_SSH {
			to.require(pb.CapExecMountSSH)
		} else {
			to.require(pb.CapExecMountSecret)
		}
	}
}

// capabilities declares, in the operation message to, the daemon capabilities that the mount
// requires.
func (m *mount) capabilities(to *message) {
	if m.msg.Selector != "" {
		to.require(pb.CapExecMountSelector)
	}
	switch {
	case m.msg.CacheOpt != nil:
		to.require(pb.CapExecMountCache, pb.CapExecMountCacheSharing)
	case m.msg.TmpfsOpt != nil:
		to.require(pb.CapExecMountTmpfs)
		if m.msg.TmpfsOpt.Size > 0 {
			to.require(pb.CapExecMountTmpfsSize)
		}
	case m.source != nil:
		to.require(pb.CapExecMountBind)
	}
}

// agentSocket returns the default path of the n-th SSH agent's socket, starting at 0.
func agentSocket(n int) string { return fmt.Sprintf("/run/buildkit/ssh_agent.%d", n) }
