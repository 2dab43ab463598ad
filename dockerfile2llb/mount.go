package dockerfile2llb

import (
	"os"
	"slices"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"

	"slipway/plan"
)

// mount adds the mount m, of any type, to the RUN operation x.
func (e *emitter) mount(x *exec, m *plan.Mount) error {
	switch m.Type {
	case plan.MountSecret:
		x.secret(m)
		return nil
	case plan.MountSSH:
		x.ssh(m)
		return nil
	}
	var src llb.Output
	if m.Tree != nil {
		var err error
		if src, err = e.tree(*m.Tree); err != nil {
			return err
		}
	}
	to := mount{msg: &pb.Mount{Dest: m.Target, Readonly: m.ReadOnly}}
	switch m.Type {
	case plan.MountTmpfs:
		to.msg.MountType = pb.MountType_TMPFS
		to.msg.TmpfsOpt = &pb.TmpfsOpt{Size: m.Size}
	case plan.MountCache:
		to.msg.MountType = pb.MountType_CACHE
		to.msg.CacheOpt = &pb.CacheOpt{ID: m.ID, Sharing: sharing(m.Sharing)}
	default:
		to.noOutput = !m.ReadOnly && e.supports(pb.CapExecMountBindReadWriteNoOutput)
	}
	switch {
	case m.Source != "/":
		to.msg.Selector = m.Source
	case m.HasOwner():
		src = ownedCache(src, m)
		to.msg.Selector = "/cache"
	}
	to.source = src
	x.mounts = append(x.mounts, to)
	return nil
}

// sharing returns the sharing mode with the given name, by default shared.
func sharing(name string) pb.CacheSharingOpt {
	switch name {
	case "private":
		return pb.CacheSharingOpt_PRIVATE
	case "locked":
		return pb.CacheSharingOpt_LOCKED
	}
	return pb.CacheSharingOpt_SHARED
}

// ownedCache returns the initial tree for a cache mount. Its directory /cache has the
// requested owner and mode.
func ownedCache(src llb.Output, m *plan.Mount) llb.Output {
	uid, gid, mode := owner(m, 0o755)
	return llb.NewState(src).File(
		llb.Mkdir("/cache", os.FileMode(mode), llb.WithUIDGID(int(uid), int(gid))),
		internalName("setting cache mount permissions"),
	).Output()
}

// owner returns the uid, gid and permissions of the mount m. An unset uid or gid becomes 0. If
// the mount sets no mode, the permissions are the given default mode.
func owner(m *plan.Mount, mode uint64) (uid, gid, perm uint32) {
	get := func(p *uint64, otherwise uint64) uint32 {
		if p == nil {
			return uint32(otherwise)
		}
		return uint32(*p)
	}
	return get(m.UID, 0), get(m.GID, 0), get(m.Mode, mode)
}

// secret adds a secret to the process as a file, a variable, or both.
func (x *exec) secret(m *plan.Mount) {
	if m.Env != nil {
		x.msg.Secretenv = append(x.msg.Secretenv, &pb.SecretEnv{ID: m.ID, Name: *m.Env, Optional: !m.Required})
	}
	if m.Target == "" {
		return
	}
	opt := &pb.SecretOpt{ID: m.ID, Optional: !m.Required}
	opt.Uid, opt.Gid, opt.Mode = owner(m, 0o400)
	to := &pb.Mount{Input: int64(pb.Empty), Dest: m.Target, MountType: pb.MountType_SECRET, SecretOpt: opt}
	// All secrets precede the sockets of SSH agents.
	i := slices.IndexFunc(x.clientMounts, func(m *pb.Mount) bool { return m.MountType == pb.MountType_SSH })
	if i < 0 {
		i = len(x.clientMounts)
	}
	x.clientMounts = slices.Insert(x.clientMounts, i, to)
}

// ssh adds a mount of an SSH agent's socket to the process. The path of the first socket also
// becomes the value of SSH_AUTH_SOCK, unless the Dockerfile sets this variable.
func (x *exec) ssh(m *plan.Mount) {
	n := 0
	for _, have := range x.clientMounts {
		if have.MountType == pb.MountType_SSH {
			n++
		}
	}
	target := m.Target
	if target == "" {
		target = agentSocket(n)
	}
	if n == 0 && !hasVariable(x.meta.Env, "SSH_AUTH_SOCK") {
		x.meta.Env = append(slices.Clip(x.meta.Env), "SSH_AUTH_SOCK="+target)
	}
	opt := &pb.SSHOpt{ID: m.ID, Optional: !m.Required}
	opt.Uid, opt.Gid, opt.Mode = owner(m, 0o600)
	x.clientMounts = append(x.clientMounts, &pb.Mount{Input: int64(pb.Empty), Dest: target, MountType: pb.MountType_SSH, SSHOpt: opt})
}
