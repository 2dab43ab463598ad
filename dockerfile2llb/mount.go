package dockerfile2llb

import (
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"

	"slipway/plan"
)

// mount says a --mount.
func (e *emitter) mount(m *plan.Mount) (llb.RunOption, error) {
	switch m.Type {
	case plan.MountSecret:
		return secret(m), nil
	case plan.MountSSH:
		return ssh(m), nil
	}
	st := llb.Scratch()
	if m.Tree != nil {
		var err error
		if st, err = e.tree(*m.Tree); err != nil {
			return nil, err
		}
	}
	var opts []llb.MountOption
	switch {
	case m.Type == plan.MountTmpfs:
		opts = append(opts, llb.Tmpfs(llb.TmpfsSize(m.Size)))
	case m.Type == plan.MountCache:
		opts = append(opts, llb.AsPersistentCacheDir(m.ID, sharing(m.Sharing)))
	case !m.ReadOnly && e.supports(pb.CapExecMountBindReadWriteNoOutput):
		opts = append(opts, llb.ForceNoOutput)
	}
	if m.ReadOnly {
		opts = append(opts, llb.Readonly)
	}
	switch {
	case m.Source != "/":
		opts = append(opts, llb.SourcePath(m.Source))
	case m.HasOwner():
		st = ownedCache(st, m)
		opts = append(opts, llb.SourcePath("/cache"))
	}
	return llb.AddMount(m.Target, st, opts...), nil
}

func sharing(name string) llb.CacheMountSharingMode {
	switch name {
	case "private":
		return llb.CacheMountPrivate
	case "locked":
		return llb.CacheMountLocked
	}
	return llb.CacheMountShared
}

// ownedCache gives a cache a directory with owner and mode to start from.
func ownedCache(st llb.State, m *plan.Mount) llb.State {
	uid, gid, mode := owner(m, 0o755)
	return st.File(
		llb.Mkdir("/cache", os.FileMode(mode), llb.WithUIDGID(uid, gid)),
		internalName("setting cache mount permissions"),
	)
}

// owner returns uid, gid and mode with 0, 0 and the given mode for what is
// left out.
func owner(m *plan.Mount, mode uint64) (uid, gid, perm int) {
	get := func(p *uint64, otherwise uint64) int {
		if p == nil {
			return int(otherwise)
		}
		return int(*p)
	}
	return get(m.UID, 0), get(m.GID, 0), get(m.Mode, mode)
}

func secret(m *plan.Mount) llb.RunOption {
	opts := []llb.SecretOption{llb.SecretID(m.ID)}
	if !m.Required {
		opts = append(opts, llb.SecretOptional)
	}
	if m.Env != nil {
		opts = append(opts, llb.SecretAsEnvName(*m.Env))
	}
	if m.HasOwner() {
		opts = append(opts, llb.SecretFileOpt(owner(m, 0o400)))
	}
	var target *string
	if m.Target != "" {
		target = &m.Target
	}
	return llb.AddSecretWithDest(m.ID, target, opts...)
}

func ssh(m *plan.Mount) llb.RunOption {
	opts := []llb.SSHOption{llb.SSHID(m.ID)}
	if m.Target != "" {
		opts = append(opts, llb.SSHSocketTarget(m.Target))
	}
	if !m.Required {
		opts = append(opts, llb.SSHOptional)
	}
	if m.HasOwner() {
		uid, gid, mode := owner(m, 0o600)
		opts = append(opts, llb.SSHSocketOpt(m.Target, uid, gid, mode))
	}
	return llb.AddSSHSocket(opts...)
}
