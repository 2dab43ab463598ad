package dockerfile2llb

import (
	"github.com/moby/buildkit/client/llb"
	"github.com/opencontainers/go-digest"

	"slipway/plan"
)

// copySource returns where a source comes from, its path there and how it is
// copied.
func (e *emitter) copySource(s *plan.Copy, src plan.CopySource) (llb.State, string, *llb.CopyInfo, error) {
	info := &llb.CopyInfo{Mode: chmod(s.Chmod), CreateDestPath: true}
	switch src := src.(type) {
	case *plan.CopyInline:
		return inline(s, src), src.Path, info, nil
	case *plan.CopyURL:
		info.AttemptUnpack = src.Unpack
		// Upstream: it has an empty description and no place in the file.
		return Download(src, llb.WithCustomName(s.Name), describe("")), src.Filename, info, nil
	case *plan.CopyGit:
		return Checkout(src, e.plan.Options.GitAdvice, llb.WithCustomName(s.Name)), "/", info, nil
	case *plan.CopyTree:
		info.FollowSymlinks = true
		info.CopyDirContentsOnly = true
		info.IncludePatterns = src.Include
		info.RequiredPaths = src.Required
		info.AttemptUnpack = src.Unpack
		info.AllowWildcard = true
		info.AllowEmptyWildcard = true
		st, err := e.tree(src.Tree)
		return st, src.Path, info, err
	}
	panic("dockerfile2llb: unknown copy source")
}

func chmod(c *plan.Chmod) *llb.ChmodOpt {
	if c == nil {
		return nil
	}
	return &llb.ChmodOpt{Mode: c.Mode, ModeStr: c.Symbolic}
}

func inline(s *plan.Copy, src *plan.CopyInline) llb.State {
	return llb.Scratch().File(
		llb.Mkfile(src.Name, 0o644, []byte(src.Data)),
		internalName("preparing inline document"),
		llb.Platform(s.Platform),
	)
}

// Download says an HTTP source.
func Download(src *plan.CopyURL, opts ...llb.ConstraintsOpt) llb.State {
	all := []llb.HTTPOption{llb.Filename(src.Filename), llb.Checksum(digest.Digest(src.Checksum))}
	for _, o := range opts {
		all = append(all, o)
	}
	return llb.HTTP(src.URL, all...)
}

// Checkout says a git source. advice has progress show git's advice.
func Checkout(src *plan.CopyGit, advice bool, opts ...llb.ConstraintsOpt) llb.State {
	all := []llb.GitOption{llb.GitRef(src.Ref)}
	for _, o := range opts {
		all = append(all, o)
	}
	if advice {
		all = append(all, llb.GitAdvice(true))
	}
	if src.KeepGitDir {
		all = append(all, llb.KeepGitDir())
	}
	if src.Checksum != "" {
		all = append(all, llb.GitChecksum(src.Checksum))
	}
	if src.SubDir != "" {
		all = append(all, llb.GitSubDir(src.SubDir))
	}
	if src.SkipSubmodules {
		all = append(all, llb.GitSkipSubmodules())
	}
	if src.FetchByCommit {
		all = append(all, llb.GitFetchByCommit())
	}
	return llb.Git(src.Remote, "", all...)
}
