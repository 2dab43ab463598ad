package llbsource

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/util/gitutil"

	"slipway/solver/tree"
)

// programDir is the directory for files of a [gitProgram], with the repository that git uses in it.
type programDir struct {
	p   *gitProgram
	cli *gitutil.GitCLI
}

// run runs a git command in the directory.
func (d *programDir) run(ctx context.Context, args ...string) error {
	_, err := d.cli.New(gitutil.WithWorkTree(filepath.Join(d.p.dir, programFiles))).Run(ctx, args...)
	return programError(ctx, err)
}

// runAll runs git commands in the directory until one fails.
func (d *programDir) runAll(ctx context.Context, commands ...[]string) error {
	for _, args := range commands {
		if err := d.run(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// clone creates the directory .git and checks out the commit c. Like [gitDir], .git contains the
// refs of [Git.gitRefs] and no packs with deltas.
func (d *programDir) clone(ctx context.Context, g *Git, c *gitCheckout) error {
	repo := filepath.Join(d.p.dir, programRepo)
	for _, args := range [][]string{
		{"update-ref", "refs/source", g.object},
		{"config", "pack.window", "0"}, // no deltas
		{"config", "pack.threads", "1"},
	} {
		if _, err := d.p.run(ctx, args...); err != nil {
			return err
		}
	}
	d.cli = d.p.cli.New(gitutil.WithGitDir(filepath.Join(d.p.dir, programFiles, ".git")))
	err := d.runAll(
		ctx,
		[]string{"init", "--quiet", "--template=", "--object-format=sha256"},
		[]string{"remote", "add", "origin", redact(g.o.remote)},
		[]string{"fetch", "--quiet", "--no-tags", "--depth=1", "--", "file://" + repo, "+refs/source:refs/source"},
	)
	if err != nil {
		return err
	}
	refs := g.gitRefs(c.tagObject != nil)
	for _, name := range slices.Sorted(maps.Keys(refs)) {
		if err := d.run(ctx, "update-ref", name, refs[name]); err != nil {
			return err
		}
	}
	return d.runAll(
		ctx,
		[]string{"update-ref", "-d", "refs/source"},
		[]string{"checkout", "--quiet", "--detach", c.commit},
	)
}

// cleanScript does the same in a submodule as [programDir.clean] in the repository of the source.
const cleanScript = `dir=$(git rev-parse --absolute-git-dir) && rm -f "$dir/index" "$dir/FETCH_HEAD" "$dir/ORIG_HEAD" && ` +
	`git read-tree HEAD && git reflog expire --all --expire=now`

// clean makes equal checkouts have an equal directory .git. It writes the index again, without the
// times and inodes of files, and removes what depends on the time of the fetch.
func (d *programDir) clean(ctx context.Context) error {
	if err := d.run(ctx, "submodule", "--quiet", "foreach", "--quiet", "--recursive", cleanScript); err != nil {
		return err
	}
	for _, name := range []string{"index", "FETCH_HEAD", "ORIG_HEAD"} {
		err := os.Remove(filepath.Join(d.p.dir, programFiles, ".git", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.runAll(ctx, []string{"read-tree", "HEAD"}, []string{"reflog", "expire", "--all", "--expire=now"})
}

// bundleSHA256 returns a directory whose only file is a bundle of the fetched commit with its
// history. Its bytes depend on the version of git.
func (g *Git) bundleSHA256(ctx context.Context, p *gitProgram, commit string, r *gitReader) (*tree.Node, error) {
	name, object := g.bundleRef(), g.object
	if strings.HasPrefix(name, "refs/heads/") {
		object = commit // a branch cannot point to a tag
	}
	if _, err := p.run(ctx, "update-ref", name, object); err != nil {
		return nil, err
	}
	file := filepath.Join(p.dir, "created")
	if _, err := p.run(ctx, "-c", "pack.threads=1", "bundle", "create", "--quiet", "--version=3", file, name); err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := r.left.spend(gitBudget{files: 1, bytes: info.Size()}); err != nil {
		return nil, err
	}
	b, err := r.s.Store.Put(f)
	if err != nil {
		return nil, err
	}
	return tree.NewDir(r.meta(0o755), []tree.Entry{{Name: bundleFile, Node: tree.NewFile(r.meta(0o644), b)}})
}
