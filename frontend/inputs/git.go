package inputs

import (
	"github.com/moby/buildkit/client/llb"

	"slipway/dockerfile2llb"
	"slipway/gitref"
)

// git returns the LLB state for ref, a reference to a git repository. If ref is not such a
// reference, isGit is false. If isGit is true, a non-nil err is about the options in ref.
// The options in ref override opts.
func (in *Inputs) git(ref string, opts ...llb.GitOption) (st *llb.State, isGit bool, err error) {
	g, isGit, err := gitref.Parse(ref)
	if err != nil {
		return nil, isGit, err
	}
	if in.options.Plan.GitAdvice {
		opts = append(opts, llb.GitAdvice(true))
	}
	opts = append(opts, llb.GitRef(g.Ref), llb.WithCustomName("[internal] load git source "+ref))
	if g.KeepGitDir != nil && *g.KeepGitDir {
		opts = append(opts, llb.KeepGitDir())
	}
	if g.SubDir != "" {
		opts = append(opts, llb.GitSubDir(g.SubDir))
	}
	if g.Checksum != "" {
		opts = append(opts, llb.GitChecksum(g.Checksum))
	}
	if g.Submodules != nil && !*g.Submodules {
		opts = append(opts, llb.GitSkipSubmodules())
	}
	if g.MTime != "" {
		opts = append(opts, llb.GitMTime(g.MTime))
	}
	if g.FetchByCommit {
		opts = append(opts, llb.GitFetchByCommit())
	}
	s := dockerfile2llb.Git(g.Remote, in.HostKeys, opts...)
	return &s, true, nil
}
