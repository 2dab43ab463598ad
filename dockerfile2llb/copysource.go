package dockerfile2llb

import (
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/plan"
)

// copySource sets the source fields of the copy action c for the source src, and returns
// the output from which the action copies.
func (e *emitter) copySource(c *pb.FileActionCopy, s *plan.Copy, src plan.CopySource) (llb.Output, error) {
	switch src := src.(type) {
	case *plan.CopyInline:
		c.Src = cleanPath(src.Path)
		return inline(s, src).Output(), nil
	case *plan.CopyURL:
		c.Src = cleanPath(src.Filename)
		c.AttemptUnpackDockerCompatibility = src.Unpack
		// Upstream: a download has an empty description and no source location.
		return Download(src, llb.WithCustomName(s.Name), describe("")).Output(), nil
	case *plan.CopyGit:
		c.Src = "/"
		return Checkout(src, e.plan.Options.GitAdvice, e.opt.HostKeys, llb.WithCustomName(s.Name)).Output(), nil
	case *plan.CopyTree:
		c.Src = cleanPath(src.Path)
		c.IncludePatterns, c.RequiredPaths = src.Include, src.Required
		c.AllowWildcard, c.AllowEmptyWildcard = true, true
		c.FollowSymlink, c.DirCopyContents = true, true
		c.AttemptUnpackDockerCompatibility = src.Unpack
		return e.tree(src.Tree)
	}
	panic("dockerfile2llb: unknown copy source")
}

// inline returns the state of a tree that contains only one file, with the text of a heredoc
// of COPY or ADD. The step then copies this file.
func inline(s *plan.Copy, src *plan.CopyInline) llb.State {
	return llb.Scratch().File(
		llb.Mkfile(src.Name, 0o644, []byte(src.Data)),
		internalName("preparing inline document"),
		llb.Platform(s.Platform),
	)
}

// Download returns the LLB source that downloads the file of an ADD over HTTP.
func Download(src *plan.CopyURL, opts ...llb.ConstraintsOpt) llb.State {
	all := []llb.HTTPOption{llb.Filename(src.Filename), llb.Checksum(digest.Digest(src.Checksum))}
	for _, o := range opts {
		all = append(all, o)
	}
	return llb.HTTP(src.URL, all...)
}

// Checkout returns a git source for the repository that ADD checks out. If advice is true, the
// progress output includes git's advice to users, such as the note about a detached HEAD.
// Function hostKeys may be nil, see [Git].
func Checkout(src *plan.CopyGit, advice bool, hostKeys HostKeys, opts ...llb.ConstraintsOpt) llb.State {
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
	return Git(src.Remote, hostKeys, all...)
}
