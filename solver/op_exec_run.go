package solver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/cachemap"
	"slipway/solver/runner"
	"slipway/solver/snapshot"
	"slipway/solver/sshagent"
)

// execRun assembles the process of an exec operation with its mounts and secrets. The
// caller must call release after the process has ended.
type execRun struct {
	*execOp
	p        *runner.Process
	inputs   []*snapshot.Snapshot
	sources  []*pb.Mount       // sources[i] is the mount in op that became p.Mounts[i]
	caches   map[string]string // host directories of cache mounts, by cacheName
	releases []func()          // unlock the cache mounts
}

// newExecRun returns an execRun for the operation o, whose mounts refer to inputs by
// index. The process of the execRun has neither mounts nor secrets yet.
func newExecRun(o *execOp, inputs []*snapshot.Snapshot) *execRun {
	return &execRun{execOp: o, p: o.process(), inputs: inputs, caches: map[string]string{}}
}

// release unlocks the cache mounts of the process.
func (x *execRun) release() {
	for _, r := range x.releases {
		r()
	}
}

// base returns the snapshot that contains the initial files of the mount m. If the
// mount has no input and therefore starts empty, base returns nil.
func (x *execRun) base(m *pb.Mount) *snapshot.Snapshot {
	if in := cachemap.MountInput(m); in >= 0 {
		return x.inputs[in]
	}
	return nil
}

// secrets sets the environment variables of the process that hold secrets (RUN
// --mount=type=secret,env=NAME). If an optional secret does not exist, its variable is
// empty, even if the image sets a variable of the same name.
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

// secret returns the content of a secret. If the secret does not exist, secret returns
// nil if it is optional, and an error otherwise. The content of an empty secret is not
// nil.
func (x *execRun) secret(ctx context.Context, id string, optional bool) ([]byte, error) {
	var data []byte
	var ok bool
	if x.opt.Mounts != nil {
		var err error
		if data, ok, err = x.opt.Mounts.Secret(ctx, id); err != nil {
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

// mounts adds the mounts of the operation to the process. It sorts them by target, so that
// a mount at /a comes before a mount at /a/b.
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

// lockCaches locks the directories of the cache mounts, each directory once. Every process
// locks them in the order of their names. If processes locked them in the order of their
// mounts, two processes could each wait for a directory that the other one has locked.
//
// Upstream: if several mounts of a process use one cache, all of them get the directory of
// the first mount, whatever their sharing modes.
func (x *execRun) lockCaches(ctx context.Context) error {
	var mounts []*pb.Mount
	for _, m := range x.op.Mounts {
		if m.MountType == pb.MountType_CACHE {
			mounts = append(mounts, m)
		}
	}
	if len(mounts) > 0 && x.opt.Mounts == nil {
		return fmt.Errorf("mount %s: cache mounts are not available", mounts[0].Dest)
	}
	slices.SortStableFunc(mounts, func(a, b *pb.Mount) int { return cmp.Compare(x.cacheName(a), x.cacheName(b)) })
	for _, m := range mounts {
		name := x.cacheName(m)
		if _, ok := x.caches[name]; ok {
			continue
		}
		dir, release, err := x.opt.Mounts.Cache(ctx, m.GetCacheOpt().GetID(), m.GetCacheOpt().GetSharing(), x.base(m))
		if err != nil {
			return fmt.Errorf("mount %s: %w", m.Dest, err)
		}
		x.releases = append(x.releases, release)
		x.caches[name] = dir
	}
	return nil
}

// cacheName returns the name of the directory that a cache mount uses.
func (x *execRun) cacheName(m *pb.Mount) string {
	return x.opt.Mounts.CacheName(m.GetCacheOpt().GetID(), x.base(m))
}

// mount adds a mount of the operation to the process. An optional secret or SSH agent
// that does not exist adds no mount.
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
		if err := x.setTree(&out, m); err != nil {
			return err
		}
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

// add adds the LLB mount m to the process, converted to the runner's mount out. If an
// earlier mount without an output has the same target, out replaces it: the process
// could not see the earlier mount, and a runner cannot mount a directory over a file.
// As in BuildKit, the source of the replaced mount must still exist.
func (x *execRun) add(out runner.Mount, m *pb.Mount) error {
	hidden := slices.IndexFunc(x.p.Mounts, func(o runner.Mount) bool { return o.Target == out.Target && !o.Output })
	if hidden < 0 {
		x.p.Mounts, x.sources = append(x.p.Mounts, out), append(x.sources, m)
		return nil
	}
	if o := &x.p.Mounts[hidden]; o.Kind == runner.MountTree {
		if _, _, err := o.Resolve(o.Tree); err != nil {
			return err
		}
	}
	x.p.Mounts[hidden], x.sources[hidden] = out, m
	return nil
}

// setTree copies the file tree and the layers of an input to out, the mount for the
// runner. The LLB mount m specifies the input.
func (x *execRun) setTree(out *runner.Mount, m *pb.Mount) (err error) {
	s := x.base(m)
	layers, err := s.Layers()
	if err != nil {
		return err
	}
	for _, l := range layers {
		out.Layers = append(out.Layers, l.LayerRef)
	}
	out.Tree, err = s.Tree()
	return err
}

// agent turns out, the mount for the runner, into a socket that gives access to the SSH
// agent s. It returns false if the agent is optional and does not exist.
func (x *execRun) agent(ctx context.Context, out *runner.Mount, s *pb.SSHOpt) (bool, error) {
	var socket string
	var ok bool
	if x.opt.Mounts != nil {
		var err error
		if socket, ok, err = x.opt.Mounts.Agent(ctx, s.GetID()); err != nil {
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

// sort sorts the mounts of the process by target, so that a mount comes after the mounts
// of its parent directories.
func (x *execRun) sort() {
	order := make([]int, len(x.p.Mounts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x.p.Mounts[a].Target, x.p.Mounts[b].Target) })
	mounts, sources := x.p.Mounts, x.sources
	x.p.Mounts, x.sources = nil, nil
	for _, i := range order {
		x.p.Mounts, x.sources = append(x.p.Mounts, mounts[i]), append(x.sources, sources[i])
	}
}
