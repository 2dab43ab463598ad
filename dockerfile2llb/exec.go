package dockerfile2llb

import (
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"

	"slipway/plan"
)

// exec says RUN. What the daemon cannot do and what only restricts the process
// is left out, as upstream does.
func (e *emitter) exec(st llb.State, s *plan.Exec) (llb.Output, error) {
	opts := []llb.RunOption{
		llb.Args(s.Args),
		describe(s.Description),
		llb.WithCustomName(s.Name),
		e.location(s.Range),
		securityMode(s.Security),
	}
	if s.Script != nil {
		opts = append(opts, scriptMount(s.Script))
	}
	if s.NoCache {
		opts = append(opts, llb.IgnoreCache)
	}
	if e.proxy != nil {
		opts = append(opts, llb.WithProxy(*e.proxy))
	}
	for i := range s.Mounts {
		m, err := e.mount(&s.Mounts[i])
		if err != nil {
			return nil, err
		}
		opts = append(opts, m)
	}
	if s.Network != "" {
		opts = append(opts, llb.Network(networkMode(s.Network)))
	}
	if e.supports(pb.CapExecMetaCDI) {
		for _, d := range s.Devices {
			opts = append(opts, device(d))
		}
	}
	return st.Run(append(opts, e.limits()...)...).Root().Output(), nil
}

func securityMode(name string) llb.RunOption {
	if name == "insecure" {
		return llb.Security(pb.SecurityMode_INSECURE)
	}
	return llb.Security(pb.SecurityMode_SANDBOX)
}

func device(d plan.Device) llb.RunOption {
	opts := []llb.CDIDeviceOption{llb.CDIDeviceName(d.Name)}
	if d.Optional {
		opts = append(opts, llb.CDIDeviceOptional)
	}
	return llb.AddCDIDevice(opts...)
}

// scriptMount shows a heredoc with #! as a file.
func scriptMount(s *plan.Script) llb.RunOption {
	file := llb.Scratch().File(
		llb.Mkfile(s.Name, 0o755, []byte(s.Data)),
		internalName("preparing inline document"),
		llb.Platform(s.Platform),
	)
	return llb.AddMount(plan.ScriptDir, file, llb.SourcePath("/"), llb.Readonly)
}

// limits are the options of the build that hold for every process.
func (e *emitter) limits() []llb.RunOption {
	o := &e.plan.Options
	var opts []llb.RunOption
	if e.supports(pb.CapExecMetaUlimit) {
		for _, u := range o.Ulimits {
			opts = append(opts, llb.AddUlimit(llb.UlimitName(u.Name), u.Soft, u.Hard))
		}
	}
	for _, h := range o.ExtraHosts {
		opts = append(opts, llb.AddExtraHost(h.Host, h.IP))
	}
	if o.ShmSize > 0 && e.supports(pb.CapExecMountTmpfsSize) {
		opts = append(opts, llb.AddMount("/dev/shm", llb.Scratch(), llb.Tmpfs(llb.TmpfsSize(o.ShmSize))))
	}
	if o.CgroupParent != "" && e.supports(pb.CapExecMetaCgroupParent) {
		opts = append(opts, llb.WithCgroupParent(o.CgroupParent))
	}
	if r := o.Resources; r != nil && e.supports(pb.CapExecMetaLinuxResources) {
		opts = append(opts, llb.WithLinuxResources(llb.LinuxResources{
			Memory: r.Memory, MemorySwap: r.MemorySwap,
			CPUShares: r.CPUShares, CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota,
			CpusetCpus: r.CPUSetCPUs, CpusetMems: r.CPUSetMems,
		}))
	}
	return opts
}
