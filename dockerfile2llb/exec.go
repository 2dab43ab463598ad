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

// exec is the operation of a RUN step.
type exec struct {
	msg      pb.ExecOp
	meta     pb.Meta
	mounts   []mount // sorted by target; their messages precede special
	special  []*pb.Mount
	platform *pb.Platform // if nil, the platform of the build
	limited  bool         // whether resources are limited
	kind     pb.Op_Exec
}

// mount is a mount of a file tree.
type mount struct {
	msg      *pb.Mount
	source   llb.Output // nil is scratch
	noOutput bool       // discard writes
}

// exec emits a RUN step. As upstream, it silently drops restrictions of the
// process, such as ulimits, that the daemon does not support.
func (e *emitter) exec(v *values, out llb.Output, s *plan.Exec) (llb.Output, error) {
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

// execPlatform returns the platform of a process: p or, if p is nil, the
// platform of the output it starts from.
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

func platformMessage(p *ocispecs.Platform) *pb.Platform {
	return &pb.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant,
		OSVersion: p.OSVersion, OSFeatures: slices.Clone(p.OSFeatures),
	}
}

// scriptMount mounts a heredoc that starts with #! as an executable file.
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

// limit applies the build options that apply to every process.
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
		x.limited = true
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

// index implements body. It returns the index of the root filesystem among the
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

func (m *mount) hasOutput() bool {
	return !m.noOutput && !m.msg.Readonly && m.msg.MountType == pb.MountType_BIND
}

func (x *exec) write(ctx context.Context, c *llb.Constraints, to *message) error {
	if len(x.meta.Args) == 0 {
		return diag.Errorf(to.at, "arguments are required").Hinted("the array is empty, so there is no command to run")
	}
	x.capabilities(to)
	x.msg.Meta = x.withDefaultPath(c, to)
	to.Platform = x.platform
	if to.Platform == nil {
		to.Platform = platformMessage(c.Platform)
	}
	x.msg.Mounts = make([]*pb.Mount, 0, len(x.mounts)+len(x.special))
	outputs := int64(0)
	for i := range x.mounts {
		m := &x.mounts[i]
		if m.msg.TmpfsOpt != nil && m.source != nil {
			return diag.Errorf(to.at, "tmpfs mounts must use scratch")
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
	x.msg.Mounts = append(x.msg.Mounts, x.special...)
	x.kind.Exec = &x.msg
	to.Op.Op = &x.kind
	return nil
}

// withDefaultPath adds PATH if the daemon does not set it.
func (x *exec) withDefaultPath(c *llb.Constraints, to *message) *pb.Meta {
	if c.Caps == nil {
		return &x.meta
	}
	if c.Caps.Supports(pb.CapExecMetaSetsDefaultPath) == nil {
		to.need(pb.CapExecMetaSetsDefaultPath)
		return &x.meta
	}
	if c.Platform.OS == "windows" || hasVariable(x.meta.Env, "PATH") {
		return &x.meta
	}
	meta := x.meta.CloneVT()
	meta.Env = append(slices.Clip(meta.Env), "PATH="+system.DefaultPathEnv(c.Platform.OS))
	return meta
}

func hasVariable(env []string, name string) bool {
	return slices.ContainsFunc(env, func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return key == name
	})
}

// capabilities adds the capabilities that the operation requires.
func (x *exec) capabilities(to *message) {
	to.need(pb.CapExecMetaBase)
	if len(x.meta.Ulimit) > 0 {
		to.need(pb.CapExecMetaUlimit)
	}
	if x.msg.Network != llb.NetModeSandbox {
		to.need(pb.CapExecMetaNetwork)
	}
	if x.msg.Security != llb.SecurityModeSandbox {
		to.need(pb.CapExecMetaSecurity)
	}
	if x.meta.ProxyEnv != nil {
		to.need(pb.CapExecMetaProxy)
	}
	if x.limited {
		to.need(pb.CapExecMetaLinuxResources)
	}
	if len(x.msg.CdiDevices) > 0 {
		to.need(pb.CapExecMetaCDI)
	}
	for i := range x.mounts {
		x.mounts[i].capabilities(to)
	}
	if len(x.msg.Secretenv) > 0 {
		to.need(pb.CapExecMountSecret, pb.CapExecSecretEnv)
	}
	for _, m := range x.special {
		if m.MountType == pb.MountType_SSH {
			to.need(pb.CapExecMountSSH)
		} else {
			to.need(pb.CapExecMountSecret)
		}
	}
}

func (m *mount) capabilities(to *message) {
	if m.msg.Selector != "" {
		to.need(pb.CapExecMountSelector)
	}
	switch {
	case m.msg.CacheOpt != nil:
		to.need(pb.CapExecMountCache, pb.CapExecMountCacheSharing)
	case m.msg.TmpfsOpt != nil:
		to.need(pb.CapExecMountTmpfs)
		if m.msg.TmpfsOpt.Size > 0 {
			to.need(pb.CapExecMountTmpfsSize)
		}
	case m.source != nil:
		to.need(pb.CapExecMountBind)
	}
}

// agentSocket returns the default path of the n-th ssh mount.
func agentSocket(n int) string { return fmt.Sprintf("/run/buildkit/ssh_agent.%d", n) }
