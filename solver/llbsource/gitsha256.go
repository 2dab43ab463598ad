package llbsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/gitutil"

	"slipway/solver/tree"
)

// errSHA256 is the error of a remote whose repository has SHA-256 hashes.
var errSHA256 = errors.New("the repository has SHA-256 hashes")

const whySHA256 = "a repository with SHA-256 hashes"

// isSHA256 reports whether hash is a SHA-256 hash and not a SHA-1 hash.
func isSHA256(hash string) bool { return len(hash) == 64 }

// openSHA256 creates a repository for the objects of the source. The program can fetch them from the
// result from: the URL of the remote, or the file name of the bundle. The caller must call release.
func (g *Git) openSHA256(ctx context.Context) (p *gitProgram, from string, release func() error, err error) {
	opts, releaseOptions := []gitutil.Option{gitutil.WithExec(runProgram)}, func() error { return nil }
	if g.o.bundle == nil {
		opts, releaseOptions, err = g.s.remoteOptions(ctx, g.o)
	}
	if err == nil {
		p, err = newGitProgram(ctx, g.s.Temp, whySHA256, "sha256", opts...)
	}
	if err != nil {
		return nil, "", nil, errors.Join(err, releaseOptions())
	}
	release = func() error { return errors.Join(p.close(), releaseOptions()) }
	if g.o.bundle == nil {
		return p, g.o.remote, release, nil
	}
	if from, err = g.writeBundle(ctx, p.dir); err != nil {
		return nil, "", nil, errors.Join(fmt.Errorf("git bundle %s: %w", g.o.bundle.locator, err), release())
	}
	return p, from, release, nil
}

// writeBundle writes the bundle of the source to a file in dir and returns its name.
func (g *Git) writeBundle(ctx context.Context, dir string) (string, error) {
	blob, err := g.s.blob(ctx, &pb.SourceOp{Identifier: g.o.bundle.locator, Attrs: g.o.bundle.attrs})
	if err != nil {
		return "", err
	}
	content, err := g.s.Store.OpenContext(ctx, blob.file.Blob)
	if err != nil {
		return "", err
	}
	defer content.Close()
	f, err := os.Create(filepath.Join(dir, bundleFile))
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, content)
	return f.Name(), errors.Join(err, f.Close())
}

// refsSHA256 lists the refs of the source with the git program.
func (g *Git) refsSHA256(ctx context.Context) (refs gitRefs, err error) {
	p, from, release, err := g.openSHA256(ctx)
	if err != nil {
		return gitRefs{}, err
	}
	defer func() { err = errors.Join(err, release()) }()
	out, err := p.run(ctx, "ls-remote", "--symref", "--", from)
	if err == nil && g.o.bundle != nil {
		var tags string
		tags, err = p.bundleTags(ctx, from)
		out += tags
	}
	if err != nil {
		return gitRefs{}, g.fetchError(err)
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
	if g.o.bundle != nil && len(refs.sha256) == 0 {
		return gitRefs{}, g.fetchError(errNoRefs)
	}
	return refs, nil
}

// bundleTags lists the commits of the annotated tags in a bundle. Unlike the list of a remote, the
// list of refs in a bundle does not contain them.
func (p *gitProgram) bundleTags(ctx context.Context, file string) (string, error) {
	if _, err := p.run(ctx, "fetch", "--quiet", "--no-tags", "--", file, "+refs/tags/*:refs/tags/*"); err != nil {
		return "", err
	}
	return p.run(ctx, "for-each-ref", "--format=%(*objectname)\t%(refname)^{}", "refs/tags")
}

// fetchError adds the remote or the bundle to an error of the git program.
func (g *Git) fetchError(err error) error {
	if g.o.bundle != nil {
		return fmt.Errorf("git bundle %s: %w", g.o.bundle.locator, err)
	}
	return fmt.Errorf("failed to fetch remote %s: %w", redact(g.o.remote), err)
}

// checkoutSHA256 fetches the commit of the source with the git program.
func (g *Git) checkoutSHA256(ctx context.Context) (c *gitCheckout, err error) {
	p, from, release, err := g.openSHA256(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := g.fetchSHA256(ctx, p, from); err != nil {
		return nil, g.fetchError(err)
	}
	c = &gitCheckout{}
	r := &gitReader{s: g.s, o: g.o, left: g.s.gitBudget()}
	if err := g.readCommit(ctx, p, c, r); err != nil {
		return nil, err
	}
	if g.o.asBundle {
		c.root, err = g.bundleSHA256(ctx, p, c.commit, r)
	} else {
		c.root, err = g.filesSHA256(ctx, p, c, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", redact(g.o.remote), err)
	}
	return c, nil
}

// filesSHA256 checks out the files of a commit and its submodules in the repository of p, and reads
// them.
func (g *Git) filesSHA256(ctx context.Context, p *gitProgram, c *gitCheckout, r *gitReader) (*tree.Node, error) {
	d := &programDir{p: p, cli: p.cli}
	var err error
	if g.o.hasGitDir() {
		err = d.clone(ctx, g, c)
	} else {
		err = p.checkOut(ctx, c.commit)
	}
	if err == nil && !g.o.skipSubmodules {
		err = d.run(ctx, "submodule", "--quiet", "update", "--init", "--recursive", "--depth=1")
	}
	if err == nil && g.o.hasGitDir() {
		err = d.clean(ctx)
	}
	if err != nil {
		return nil, err
	}
	return r.readFiles(ctx, filepath.Join(p.dir, programFiles))
}

// fetchSHA256 fetches the commit of the source into the repository of p, with its history if the
// checkout is a bundle. Some remotes serve only commits to which a ref points. If the source is such a
// commit, it fetches all refs.
func (g *Git) fetchSHA256(ctx context.Context, p *gitProgram, from string) error {
	want := g.object
	if strings.HasPrefix(g.ref, "refs/") && !g.o.fetchByCommit {
		want = g.ref
	}
	args := []string{"fetch", "--quiet", "--no-tags"}
	if !g.o.asBundle && g.o.bundle == nil {
		args = append(args, "--depth=1")
	}
	_, err := p.run(ctx, append(args, "--", from, "+"+want+":refs/source")...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, all := p.run(ctx, "fetch", "--quiet", "--tags", "--", from, "+refs/*:refs/remote/*"); all != nil {
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
// [gitReader.files], it returns the selected subdirectory, and .git only if the source keeps it.
func (r *gitReader) readFiles(ctx context.Context, dir string) (*tree.Node, error) {
	const ownerExecute, ownerWrite = 0o100, 0o200
	reader := tree.HostReader{
		Store: r.s.Store,
		Skip:  func(f tree.HostFile) bool { return !r.o.hasGitDir() && path.Base(f.Path) == ".git" },
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
			case f.Info.Mode()&ownerWrite == 0:
				mode = 0o444 // in .git/objects
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
