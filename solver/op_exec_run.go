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

// execRun prepares the process of an exec operation.
type execRun struct {
	*execOp
	p        *runner.Process
	bases    []*snapshot.Snapshot
	from     []*pb.Mount       // the mount of the operation for each mount of p
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
	if in := cachemap.MountInput(m); in >= 0 {
		return x.bases[in]
	}
	return nil
}

// secrets sets the environment variables that hold secrets. An optional secret that does
// not exist sets its variable to the empty string, which overrides a variable of the same
// name from the image.
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

// secret returns a secret. If it does not exist and is optional, secret returns nil.
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

// mounts adds all mounts to the process, parents before the mounts inside them.
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

// lockCaches locks the cache mounts, each once. All processes lock caches in the same
// order. Otherwise, two processes that mount two locked caches in opposite orders would
// wait for each other forever.
//
// Upstream: all mounts of one cache in a process have the directory of the first of these
// mounts, whatever their sharing modes.
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

func (x *execRun) cacheName(m *pb.Mount) string {
	return x.opt.Mounts.CacheName(m.GetCacheOpt().GetID(), x.base(m))
}

// mount adds a mount to the process. Optional secrets and agents that do not exist are
// left out.
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

// add appends a mount. If two mounts have the same target, the process sees only the last
// one, whatever their file types. A hidden mount without an output is dropped, but its
// source must exist.
func (x *execRun) add(out runner.Mount, m *pb.Mount) error {
	hidden := slices.IndexFunc(x.p.Mounts, func(o runner.Mount) bool { return o.Target == out.Target && !o.Output })
	if hidden < 0 {
		x.p.Mounts, x.from = append(x.p.Mounts, out), append(x.from, m)
		return nil
	}
	if o := &x.p.Mounts[hidden]; o.Kind == runner.MountTree {
		if _, _, err := o.Resolve(o.Tree); err != nil {
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

// sort sorts the mounts so that each comes after its parents.
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
