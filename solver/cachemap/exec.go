package cachemap

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/solver/contenthash"
)

// execRecord is what the digest of a process is made of.
type execRecord struct {
	Type       string
	Exec       *pb.ExecOp
	OS         string
	Arch       string
	Variant    string   `json:",omitempty"`
	OSVersion  string   `json:",omitempty"`
	OSFeatures []string `json:",omitempty"`
}

func execKey(op *pb.ExecOp, platform *pb.Platform) execRecord {
	op = op.CloneVT()
	op.Meta.ProxyEnv = nil
	for _, h := range op.Meta.ExtraHosts {
		h.IP = ""
	}
	for _, m := range op.Mounts {
		m.Selector = ""
		if m.CacheOpt != nil && !isDefaultCacheID(m) {
			m.CacheOpt.ID, m.CacheOpt.Sharing = "", pb.CacheSharingOpt_SHARED
		}
	}
	if rootOnly(op.Mounts) {
		op.Mounts = nil
	}
	p := Platform(platform)
	return execRecord{
		Type: "buildkit.exec.v0", Exec: op,
		OS: p.OS, Arch: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	}
}

// Platform returns a platform as keys have it: that of this machine if there is
// none.
func Platform(p *pb.Platform) ocispecs.Platform {
	if p == nil {
		return platforms.Normalize(platforms.DefaultSpec())
	}
	return platforms.Normalize(ocispecs.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	})
}

// rootOnly tells a process that has nothing but its root, as most have.
//
// Upstream: then mounts are no part of the key, as they were not in the first
// versions.
func rootOnly(mounts []*pb.Mount) bool {
	if len(mounts) != 1 {
		return false
	}
	m := mounts[0]
	return m.Dest == pb.RootMount && !m.Readonly && m.MountType == pb.MountType_BIND &&
		m.CacheOpt == nil && m.SSHOpt == nil && m.SecretOpt == nil && m.ResultID == ""
}

// isDefaultCacheID reports whether a cache mount has the id that the Dockerfile
// frontend assigns by default: target, or namespace/target.
func isDefaultCacheID(m *pb.Mount) bool {
	if m.CacheOpt.Sharing != pb.CacheSharingOpt_SHARED {
		return false
	}
	_, rest, ok := strings.Cut(m.CacheOpt.ID, "/")
	return m.CacheOpt.ID == m.Dest || ok && rest == m.Dest
}

// MountInput returns the input of a mount, or -1 if it has none. Secrets and SSH agents
// have none, whatever their fields say: clients leave them at zero.
func MountInput(m *pb.Mount) int64 {
	if m.MountType == pb.MountType_BIND || m.MountType == pb.MountType_CACHE {
		return m.Input
	}
	return int64(pb.Empty)
}

// execInputs sets what counts of each input of a process.
func (m *Map) execInputs(op *pb.ExecOp) error {
	paths := make([][]string, len(m.Inputs))
	for _, mt := range op.Mounts {
		i := MountInput(mt)
		if i < 0 || i >= int64(len(m.Inputs)) {
			continue
		}
		sel := path.Join("/", mt.Selector)
		paths[i] = append(paths[i], sel)
		content, err := byContent(mt, sel)
		if err != nil {
			return err
		}
		in := &m.Inputs[i]
		in.ByContent = content
		in.Whole = in.Whole || !content
	}
	for i, list := range paths {
		if len(list) == 0 {
			continue
		}
		m.Inputs[i].Selector = digest.FromString(strings.Join(list, "\x00"))
		if m.Inputs[i].ByContent {
			m.Inputs[i].Content = selectPaths(list)
		}
	}
	return nil
}

// byContent reports whether only the content of the selected files of a mount
// counts. That is unsafe for a writable mount that selects a part of its input and
// has an output: the output would carry files beside the selected ones from the
// build that made the cached result. Asking for it there is an error.
//
// Upstream: solver/llbsolver/ops/exec.go, getMountDeps, whose words the error has.
func byContent(m *pb.Mount, sel string) (bool, error) {
	safe := m.Output == int64(pb.SkipOutput) || m.Readonly || sel == pb.RootMount
	switch m.ContentCache {
	case pb.MountContentCache_OFF:
		return false, nil
	case pb.MountContentCache_ON:
		if !safe {
			return false, fmt.Errorf("invalid mount cache content %v", m)
		}
	case pb.MountContentCache_DEFAULT:
		if m.Dest == pb.RootMount {
			return false, nil
		}
	}
	return safe, nil
}

// selectPaths returns selectors of paths, in order and without those that are
// below others; none if all is selected.
func selectPaths(list []string) []contenthash.Selector {
	var out []contenthash.Selector
	for _, p := range outermost(list) {
		if p == "" || p == pb.RootMount {
			return nil
		}
		out = append(out, contenthash.Selector{Path: p, FollowLinks: true})
	}
	return out
}

func outermost(list []string) []string {
	if len(list) < 2 {
		return list
	}
	list = slices.Clone(list)
	slices.Sort(list)
	list = slices.Compact(list)
	return slices.DeleteFunc(slices.Clone(list), func(p string) bool {
		return slices.ContainsFunc(list, func(o string) bool {
			return o != p && strings.HasPrefix(p, strings.TrimSuffix(o, "/")+"/")
		})
	})
}
