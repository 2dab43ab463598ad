package llbsource

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/util/gitutil"

	"slipway/solver/tree"
)

// errSHA256 is the error of a remote whose repository has SHA-256 hashes.
var errSHA256 = errors.New("the repository has SHA-256 hashes")

const whySHA256 = "a repository with SHA-256 hashes"

// isSHA256 reports whether hash is a SHA-256 hash and not a SHA-1 hash.
func isSHA256(hash string) bool { return len(hash) == 64 }

// openSHA256 creates a repository for the objects of the remote. The caller must call release.
func (g *Git) openSHA256(ctx context.Context) (_ *gitProgram, release func() error, err error) {
	opts, releaseOptions, err := g.s.remoteOptions(ctx, g.o)
	if err != nil {
		return nil, nil, errors.Join(err, releaseOptions())
	}
	p, err := newGitProgram(ctx, g.s.Temp, whySHA256, "sha256", opts...)
	if err != nil {
		return nil, nil, errors.Join(err, releaseOptions())
	}
	return p, func() error { return errors.Join(p.close(), releaseOptions()) }, nil
}

// refsSHA256 lists the refs of a remote with the git program.
func (g *Git) refsSHA256(ctx context.Context) (refs gitRefs, err error) {
	p, release, err := g.openSHA256(ctx)
	if err != nil {
		return gitRefs{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	out, err := p.run(ctx, "ls-remote", "--symref", "--", g.o.remote)
	if err != nil {
		return gitRefs{}, fmt.Errorf("failed to fetch remote %s: %w", redact(g.o.remote), err)
	}
	refs = gitRefs{sha256: map[string]string{}, peeled: map[string]string{}}
	for line := range strings.Lines(out) {
		value, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		target, isLink := strings.CutPrefix(value, "ref: ")
		tag, isPeeled := strings.CutSuffix(name, "^{}")
		switch {
		case isLink && name == "HEAD":
			refs.head = target
		case !gitutil.IsCommitSHA(value):
		case isPeeled:
			refs.peeled[tag] = value
		default:
			refs.sha256[name] = value
		}
	}
	return refs, nil
}

// checkoutSHA256 fetches the commit of the source with the git program.
func (g *Git) checkoutSHA256(ctx context.Context) (c *gitCheckout, err error) {
	switch {
	case g.o.hasGitDir():
		return nil, errors.New("keeping .git of a repository with SHA-256 hashes requires a BuildKit daemon (choose one with --builder, or buildctl --addr)")
	case g.o.asBundle:
		return nil, errors.New("a bundle of a repository with SHA-256 hashes requires a BuildKit daemon (choose one with --builder, or buildctl --addr)")
	}
	p, release, err := g.openSHA256(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := g.fetchSHA256(ctx, p); err != nil {
		return nil, fmt.Errorf("failed to fetch remote %s: %w", redact(g.o.remote), err)
	}
	c = &gitCheckout{}
	r := &gitReader{s: g.s, o: g.o, left: g.s.gitBudget()}
	if err := g.readCommit(ctx, p, c, r); err != nil {
		return nil, err
	}
	files, err := p.checkOut(ctx, c.commit)
	if err == nil && !g.o.skipSubmodules {
		cli := p.cli.New(gitutil.WithWorkTree(files))
		_, err = cli.Run(ctx, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
		err = programError(ctx, err)
	}
	if err == nil {
		c.root, err = r.readFiles(ctx, files)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", redact(g.o.remote), err)
	}
	return c, nil
}

// fetchSHA256 fetches the commit of the source into the repository of p. Some remotes serve only
// commits to which a ref points. If the source is such a commit, it fetches all refs.
func (g *Git) fetchSHA256(ctx context.Context, p *gitProgram) error {
	want := g.object
	if strings.HasPrefix(g.ref, "refs/") && !g.o.fetchByCommit {
		want = g.ref
	}
	_, err := p.run(ctx, "fetch", "--quiet", "--no-tags", "--depth=1", "--", g.o.remote, "+"+want+":refs/source")
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, all := p.run(ctx, "fetch", "--quiet", "--tags", "--", g.o.remote, "+refs/*:refs/remote/*"); all != nil {
		return err
	}
	return nil
}

// readCommit reads the commit of the source, and its tag if it has one, from the repository of p.
func (g *Git) readCommit(ctx context.Context, p *gitProgram, c *gitCheckout, r *gitReader) error {
	kind, err := p.run(ctx, "cat-file", "-t", g.object)
	if err != nil {
		return fmt.Errorf("the repository %s has no commit %s: %w", redact(g.o.remote), g.object, err)
	}
	if strings.TrimSpace(kind) == "tag" {
		tag, err := p.run(ctx, "cat-file", "tag", g.object)
		if err != nil {
			return err
		}
		c.tagObject = []byte(tag)
	}
	hash, err := p.run(ctx, "rev-parse", "--verify", g.object+"^{commit}")
	if err != nil {
		return err
	}
	c.commit = strings.TrimSpace(hash)
	raw, err := p.run(ctx, "cat-file", "commit", c.commit)
	if err != nil {
		return err
	}
	c.commitObject = []byte(raw)
	if r.time = g.s.Now().UTC(); !g.o.commitTimes {
		return nil
	}
	seconds, err := p.run(ctx, "log", "-1", "--format=%ct", c.commit)
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(seconds), 10, 64)
	r.time = time.Unix(n, 0).UTC()
	return err
}

// readFiles reads the files of a checkout by the git program from a directory. Like
// [gitReader.files], it returns the selected subdirectory.
func (r *gitReader) readFiles(ctx context.Context, dir string) (*tree.Node, error) {
	const ownerExecute = 0o100
	reader := tree.HostReader{
		Store: r.s.Store,
		Skip:  func(f tree.HostFile) bool { return f.Path == ".git" || strings.HasSuffix(f.Path, "/.git") },
		Meta: func(f tree.HostFile) (tree.Meta, error) {
			cost := gitBudget{files: 1, names: int64(len(f.Info.Name()))}
			mode := uint32(0o644)
			switch {
			case f.Info.IsDir():
				mode = 0o755
			case !f.Info.Mode().IsRegular():
				mode = 0o777 // a symbolic link
				cost.names += f.Info.Size()
			case f.Info.Mode()&ownerExecute != 0:
				mode = 0o755
			}
			if f.Info.Mode().IsRegular() {
				cost.bytes = f.Info.Size()
			}
			return r.meta(mode), r.left.spend(cost)
		},
	}
	root, err := reader.ReadDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	return r.subdirectory(root)
}
