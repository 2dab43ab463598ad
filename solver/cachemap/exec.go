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

// execRecord is the data that the digest of an exec operation covers. Its JSON must be
// equal to BuildKit's.
type execRecord struct {
	Type       string
	Exec       *pb.ExecOp
	OS         string
	Arch       string
	Variant    string   `json:",omitempty"`
	OSVersion  string   `json:",omitempty"`
	OSFeatures []string `json:",omitempty"`
}

// newExecRecord returns the record of an exec operation. It clears the fields that the
// digest does not cover: proxy variables, IP addresses of extra hosts, selectors of
// mounts, and the ids and sharing modes of cache mounts unless they are the defaults of
// the Dockerfile frontend.
func newExecRecord(op *pb.ExecOp, platform *pb.Platform) execRecord {
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

// Platform returns p in the normalized form that cache keys contain, for example "arm64"
// for "aarch64". If p is nil, it returns the platform of this machine.
func Platform(p *pb.Platform) ocispecs.Platform {
	if p == nil {
		return platforms.Normalize(platforms.DefaultSpec())
	}
	return platforms.Normalize(ocispecs.Platform{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion, OSFeatures: p.OSFeatures,
	})
}

// rootOnly reports whether the only mount of a process is a writable root.
//
// Upstream: in this case, the digest does not cover the mount, as in early versions of
// BuildKit.
func rootOnly(mounts []*pb.Mount) bool {
	if len(mounts) != 1 {
		return false
	}
	m := mounts[0]
	return m.Dest == pb.RootMount && !m.Readonly && m.MountType == pb.MountType_BIND &&
		m.CacheOpt == nil && m.SSHOpt == nil && m.SecretOpt == nil && m.ResultID == ""
}

// isDefaultCacheID reports whether the cache mount m has sharing=shared and the id that the
// Dockerfile frontend assigns if the Dockerfile sets none: TARGET, or NAMESPACE/TARGET.
func isDefaultCacheID(m *pb.Mount) bool {
	if m.CacheOpt.Sharing != pb.CacheSharingOpt_SHARED {
		return false
	}
	_, rest, ok := strings.Cut(m.CacheOpt.ID, "/")
	return m.CacheOpt.ID == m.Dest || ok && rest == m.Dest
}

// MountInput returns the index of the input of a mount, or -1 if the mount has no input.
// Only bind mounts and cache mounts can have an input. For other mounts, MountInput ignores
// the field Input, because clients do not set it to -1.
func MountInput(m *pb.Mount) int64 {
	if m.MountType == pb.MountType_BIND || m.MountType == pb.MountType_CACHE {
		return m.Input
	}
	return int64(pb.Empty)
}

// execInputs sets the field Inputs of the cache map m according to the mounts of an
// exec operation.
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

// byContent reports whether BuildKit matches the input of the mount m by the content of the
// mounted files. The parameter sel is the path of these files in the input. BuildKit never
// matches by content if the mount is writable, has an output and mounts only a part of its
// input. The cached output of such a mount would also contain the other files of the input,
// which may be different in another build. If the operation requests matching by content
// for such a mount, byContent returns an error.
//
// Upstream: getMountDeps in solver/llbsolver/ops/exec.go has the same error text.
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

// selectPaths returns one selector for each of the given paths, sorted by path. It drops a
// path that is below another given path. If the root is one of the paths, it returns nil,
// which selects all files.
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

// outermost returns the given paths, sorted and without duplicates. It drops a path that is
// below another given path.
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
