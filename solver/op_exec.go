package solver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/sshagent"
)

// Mounts provides what processes see besides trees: cache mounts, secrets and SSH
// agents.
type Mounts interface {
	// CacheName returns the name of a cache: equal names mean the same cache. A cache
	// that starts as a copy of from belongs to that result: other results have other
	// caches with the same id.
	CacheName(id string, from *snapshot.Snapshot) string
	// Cache returns the directory of a cache, exclusive to this process unless it is
	// shared. release ends the use.
	Cache(ctx context.Context, id string, sharing pb.CacheSharingOpt, from *snapshot.Snapshot) (dir string, release func(), err error)
	// Reset makes the caches with these ids start anew.
	Reset(ids []string) error
	// Secret returns a secret, and reports whether it exists.
	Secret(ctx context.Context, id string) (data []byte, ok bool, err error)
	// Agent returns the path of the socket of an SSH agent, and reports whether the
	// agent exists. The id "" is the default agent.
	Agent(ctx context.Context, id string) (socket string, ok bool, err error)
}

// unixPath is what PATH is where nothing sets it, as in BuildKit.
const unixPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// execOp runs a process.
type execOp struct {
	opEnv
	op *pb.ExecOp
}

// CacheMap implements [Op].
//
// Upstream: if several mounts have the same input, the last one alone decides
// whether its content counts. Our own keys use the content only if every mount
// permits it, as a mount that passes on more than it selects needs the whole input,
// or if one of them selects all of it.
func (o *execOp) CacheMap(context.Context) (*CacheMap, error) {
	m, err := o.cacheMap()
	if err != nil {
		return nil, err
	}
	mounts := make([][]int, len(m.Deps))
	for i, mount := range o.op.Mounts {
		if in := inputOf(mount); in >= 0 {
			mounts[in] = append(mounts[in], i)
		}
	}
	for i, list := range mounts {
		if len(list) == 0 {
			continue
		}
		m.Deps[i].Name = "mount " + o.op.Mounts[list[0]].Dest
		if in := m.Exported.Inputs[i]; in.ByContent && (!in.Whole || in.Content == nil) {
			m.Deps[i].Content = func(_ context.Context, in *snapshot.Snapshot) ([]Part, error) { return o.mounted(i, list, in) }
		}
	}
	return m, nil
}

// mounted returns the parts of the key for the files that the mounts with these
// numbers select from an input.
func (o *execOp) mounted(input int, mounts []int, in *snapshot.Snapshot) ([]Part, error) {
	var parts []Part
	for _, i := range mounts {
		m := o.op.Mounts[i]
		at, err := in.Tree().Resolve(m.Selector, true)
		if err != nil {
			return nil, err
		}
		parts = append(parts, Part{
			Name: "files of mount " + m.Dest, Digest: contentDigest(in.Tree().Get(at)),
			Input: input, Tree: in.Tree().ID(), From: i,
		})
	}
	return parts, nil
}

// Run implements [Op].
func (o *execOp) Run(ctx context.Context, in []*snapshot.Snapshot) ([]*snapshot.Snapshot, error) {
	if err := o.allowed(); err != nil {
		return nil, err
	}
	x := newExecRun(o, in)
	defer x.release()
	if err := x.secrets(ctx); err != nil {
		return nil, err
	}
	if err := x.mounts(ctx); err != nil {
		return nil, err
	}
	stdout, stderr := o.job.newOutput(o.v, 1), o.job.newOutput(o.v, 2)
	x.p.Stdout, x.p.Stderr = stdout, stderr
	trees, err := o.job.opt.Runner.Run(ctx, x.p)
	if err != nil {
		stdout.flush()
		stderr.flush()
		return nil, x.failed(err)
	}
	outs := make([]*snapshot.Snapshot, outputs(o.v))
	for i, m := range x.from {
		if out := outputOf(m); out >= 0 {
			outs[out] = x.base(m).With(trees[i])
		}
	}
	return outs, nil
}

// allowed refuses what has to be allowed and is not, and what no runner can do.
func (o *execOp) allowed() error {
	if _, ok := pb.SecurityMode_name[int32(o.op.Security)]; !ok {
		return fmt.Errorf("invalid security mode %d", o.op.Security)
	}
	if _, ok := pb.NetMode_name[int32(o.op.Network)]; !ok {
		return fmt.Errorf("invalid network mode %d", o.op.Network)
	}
	if o.op.Security == pb.SecurityMode_INSECURE && !o.job.opt.Insecure {
		return errors.New("security.insecure is not allowed")
	}
	if o.op.Network == pb.NetMode_HOST && !o.job.opt.HostNetwork {
		return errors.New("network.host is not allowed")
	}
	for _, d := range o.op.CdiDevices {
		if !d.Optional {
			return fmt.Errorf("device %s: there are no devices", d.Name)
		}
	}
	return nil
}

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

// withProxy adds the variables that are not part of the key, in both spellings
// as programs differ, and PATH where there is none.
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

// execRun is a process that is being prepared.
type execRun struct {
	*execOp
	p        *runner.Process
	bases    []*snapshot.Snapshot
	from     []*pb.Mount       // of each mount of the process
	caches   map[string]string // directories by name
	releases []func()
}

func newExecRun(o *execOp, bases []*snapshot.Snapshot) *execRun {
	return &execRun{execOp: o, p: o.process(), bases: bases, caches: map[string]string{}}
}

func (x *execRun) release() {
	for _, r := range x.releases {
		r()
	}
}

func (x *execRun) base(m *pb.Mount) *snapshot.Snapshot {
	if in := inputOf(m); in >= 0 {
		return x.bases[in]
	}
	return nil
}

// secrets sets the environment variables that hold secrets. An optional secret
// that does not exist sets its variable to the empty string, which hides a
// variable of the same name that the image sets.
func (x *execRun) secrets(ctx context.Context) error {
	for _, s := range x.op.Secretenv {
		data, err := x.secret(ctx, s.ID, s.Optional)
		if err != nil {
			return err
		}
		x.p.Env = append(x.p.Env, s.Name+"="+string(data))
	}
	return nil
}

// secret returns a secret; nil if there is none and none is needed.
func (x *execRun) secret(ctx context.Context, id string, optional bool) ([]byte, error) {
	var data []byte
	var ok bool
	if x.job.opt.Mounts != nil {
		var err error
		if data, ok, err = x.job.opt.Mounts.Secret(ctx, id); err != nil {
			return nil, fmt.Errorf("secret %s: %w", id, err)
		}
	}
	if ok && data == nil {
		data = []byte{}
	}
	if !ok && !optional {
		return nil, fmt.Errorf("secret %s: not found", id)
	}
	return data, nil
}

// mounts adds all mounts, each after those that it is in.
func (x *execRun) mounts(ctx context.Context) error {
	if err := x.lockCaches(ctx); err != nil {
		return err
	}
	for _, m := range x.op.Mounts {
		if err := x.mount(ctx, m); err != nil {
			return fmt.Errorf("mount %s: %w", m.Dest, err)
		}
	}
	x.sort()
	return nil
}

// mount adds a mount to the process. What is optional and not there is left out.
func (x *execRun) mount(ctx context.Context, m *pb.Mount) error {
	target := path.Clean(m.Dest)
	if !path.IsAbs(target) {
		target = path.Join("/", x.op.GetMeta().GetCwd(), target)
	}
	if target == pb.RootMount && m.Dest != pb.RootMount {
		return errors.New("the target is the root file system")
	}
	out := runner.Mount{Target: target, Source: m.Selector, ReadOnly: m.Readonly, Output: outputOf(m) >= 0}
	switch m.MountType {
	case pb.MountType_BIND:
		out.Kind = runner.MountTree
		x.setTree(&out, m)
	case pb.MountType_TMPFS:
		out.Kind, out.Size = runner.MountTmpfs, m.GetTmpfsOpt().GetSize()
	case pb.MountType_CACHE:
		out.Kind, out.HostPath = runner.MountDir, x.caches[x.cacheName(m)]
	case pb.MountType_SECRET:
		s := m.GetSecretOpt()
		data, err := x.secret(ctx, s.GetID(), s.GetOptional())
		if err != nil || data == nil {
			return err
		}
		out.Kind, out.Data, out.UID, out.GID, out.Mode = runner.MountFile, data, s.GetUid(), s.GetGid(), s.GetMode()&0o777
	case pb.MountType_SSH:
		ok, err := x.agent(ctx, &out, m.GetSSHOpt())
		if err != nil || !ok {
			return err
		}
	default:
		return fmt.Errorf("unknown type %s", m.MountType)
	}
	return x.add(out, m)
}

// add takes a mount. Of two with the same target the process sees the last alone,
// whatever kinds of file they are; what it would have hidden is not mounted, but has
// to exist.
func (x *execRun) add(out runner.Mount, m *pb.Mount) error {
	hidden := slices.IndexFunc(x.p.Mounts, func(o runner.Mount) bool { return o.Target == out.Target && !o.Output })
	if hidden < 0 {
		x.p.Mounts, x.from = append(x.p.Mounts, out), append(x.from, m)
		return nil
	}
	if o := x.p.Mounts[hidden]; o.Kind == runner.MountTree {
		at, err := o.Tree.Resolve(o.Source, true)
		if err == nil && o.Tree.Get(at) == nil {
			err = &runner.SourceError{Source: o.Source, Root: o.Tree}
		}
		if err != nil {
			return err
		}
	}
	x.p.Mounts[hidden], x.from[hidden] = out, m
	return nil
}

func (x *execRun) setTree(out *runner.Mount, m *pb.Mount) {
	s := x.base(m)
	out.Tree = s.Tree()
	for _, l := range s.Layers() {
		out.Layers = append(out.Layers, l.Layer)
	}
}

func (x *execRun) agent(ctx context.Context, out *runner.Mount, s *pb.SSHOpt) (bool, error) {
	var socket string
	var ok bool
	if x.job.opt.Mounts != nil {
		var err error
		if socket, ok, err = x.job.opt.Mounts.Agent(ctx, s.GetID()); err != nil {
			return false, fmt.Errorf("SSH agent %s: %w", s.GetID(), err)
		}
	}
	if !ok {
		if s.GetOptional() {
			return false, nil
		}
		return false, fmt.Errorf("no SSH agent %q was given to the build", cmp.Or(s.GetID(), "default"))
	}
	out.Kind, out.Serve, out.UID, out.GID, out.Mode = runner.MountSocket, sshagent.ReadOnly(socket), s.GetUid(), s.GetGid(), s.GetMode()&0o777
	return true, nil
}

// sort brings the mounts into an order in which each comes after those that it
// is in.
func (x *execRun) sort() {
	order := make([]int, len(x.p.Mounts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x.p.Mounts[a].Target, x.p.Mounts[b].Target) })
	mounts, from := x.p.Mounts, x.from
	x.p.Mounts, x.from = nil, nil
	for _, i := range order {
		x.p.Mounts, x.from = append(x.p.Mounts, mounts[i]), append(x.from, from[i])
	}
}
