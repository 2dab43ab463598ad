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
		return download(s, src), src.Filename, info, nil
	case *plan.CopyGit:
		return e.checkout(s, src), "/", info, nil
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

// download says an http source.
//
// Upstream: it has an empty description and no place in the file.
func download(s *plan.Copy, src *plan.CopyURL) llb.State {
	return llb.HTTP(src.URL,
		llb.Filename(src.Filename),
		llb.WithCustomName(s.Name),
		llb.Checksum(digest.Digest(src.Checksum)),
		describe(""),
	)
}

func (e *emitter) checkout(s *plan.Copy, src *plan.CopyGit) llb.State {
	opts := []llb.GitOption{llb.WithCustomName(s.Name), llb.GitRef(src.Ref)}
	if e.plan.Options.GitAdvice {
		opts = append(opts, llb.GitAdvice(true))
	}
	if src.KeepGitDir {
		opts = append(opts, llb.KeepGitDir())
	}
	if src.Checksum != "" {
		opts = append(opts, llb.GitChecksum(src.Checksum))
	}
	if src.SubDir != "" {
		opts = append(opts, llb.GitSubDir(src.SubDir))
	}
	if src.SkipSubmodules {
		opts = append(opts, llb.GitSkipSubmodules())
	}
	if src.FetchByCommit {
		opts = append(opts, llb.GitFetchByCommit())
	}
	return llb.Git(src.Remote, "", opts...)
}
