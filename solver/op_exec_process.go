package solver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/runner"
)

// execOp implements exec operations: RUN steps.
type execOp struct {
	opEnv
	op *pb.ExecOp
}

// checkPermissions returns an error if the operation needs an entitlement that the options
// do not grant, or if its security or network mode is invalid.
func (o *execOp) checkPermissions() error {
	if _, ok := pb.SecurityMode_name[int32(o.op.Security)]; !ok {
		return fmt.Errorf("invalid security mode %d", o.op.Security)
	}
	if _, ok := pb.NetMode_name[int32(o.op.Network)]; !ok {
		return fmt.Errorf("invalid network mode %d", o.op.Network)
	}
	if o.op.Security == pb.SecurityMode_INSECURE && !o.opt.Insecure {
		return errors.New("security.insecure is not allowed")
	}
	if o.op.Network == pb.NetMode_HOST && !o.opt.HostNetwork {
		return errors.New("network.host is not allowed")
	}
	return nil
}

// unixPath is the default value of PATH for steps whose environment does not set it.
// BuildKit uses the same value.
const unixPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// process returns the process of the operation, without mounts, secrets and output.
func (o *execOp) process() *runner.Process {
	m := o.op.Meta
	p := &runner.Process{
		Sandbox: runner.Sandbox{Hostname: m.Hostname, KeepMountParents: !m.RemoveMountStubsRecursive},
		Args:    m.Args, Env: withProxy(m.Env, m.ProxyEnv), Dir: m.Cwd, User: m.User,
		Insecure: o.op.Security == pb.SecurityMode_INSECURE,
	}
	if f := o.v.Op.Platform; f != nil {
		p.Platform = ocispecs.Platform{OS: f.OS, Architecture: f.Architecture, Variant: f.Variant, OSVersion: f.OSVersion, OSFeatures: f.OSFeatures}
	}
	switch o.op.Network {
	case pb.NetMode_HOST:
		p.Network = runner.NetworkHost
	case pb.NetMode_NONE:
		p.Network = runner.NetworkNone
	}
	for _, h := range m.ExtraHosts {
		p.Hosts = append(p.Hosts, runner.Host{Name: h.Host, IP: h.IP})
	}
	for _, u := range m.Ulimit {
		p.Ulimits = append(p.Ulimits, runner.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	if r := o.v.Meta.GetLinuxResources(); r != nil {
		p.Resources = runner.Resources{
			Memory: r.Memory, MemorySwap: r.MemorySwap, CPUShares: r.CpuShares, CPUPeriod: r.CpuPeriod, CPUQuota: r.CpuQuota,
			CPUSetCPUs: r.CpusetCpus, CPUSetMems: r.CpusetMems,
		}
	}
	for _, code := range m.ValidExitCodes {
		p.ExitCodes = append(p.ExitCodes, int(code))
	}
	return p
}

// withProxy returns env with the proxy variables, such as HTTP_PROXY and http_proxy. Each
// is set in upper and lower case, because some programs read only one of them. Proxy
// variables are not part of the cache key. If env lacks PATH, withProxy adds [unixPath].
func withProxy(env []string, proxy *pb.ProxyEnv) []string {
	env = slices.Clone(env)
	for _, kv := range [...][2]string{
		{"HTTP_PROXY", proxy.GetHttpProxy()},
		{"HTTPS_PROXY", proxy.GetHttpsProxy()},
		{"FTP_PROXY", proxy.GetFtpProxy()},
		{"NO_PROXY", proxy.GetNoProxy()},
		{"ALL_PROXY", proxy.GetAllProxy()},
	} {
		if kv[1] != "" {
			env = append(env, kv[0]+"="+kv[1], strings.ToLower(kv[0])+"="+kv[1])
		}
	}
	if !slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") }) {
		env = append(env, "PATH="+unixPath)
	}
	return env
}
