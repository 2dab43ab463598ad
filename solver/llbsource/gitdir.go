package llbsource

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	gitconfig "github.com/go-git/go-git/v5/plumbing/format/config"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"slipway/solver/tree"
)

// gitDir builds the .git directory of a checkout. The directory contains the repository of
// the source, and below modules/ those of its submodules.
//
// Its bytes depend only on the commit, the ref and the URLs of the remotes, so that equal
// checkouts have equal digests. This has two consequences. The index contains no times and
// inodes, so git compares the content of files at its first status. Packs contain no deltas,
// because deltas depend on the server.
type gitDir struct {
	r    *gitReader
	edit *tree.Editor
}

func (r *gitReader) newGitDir() (*gitDir, error) {
	root, err := tree.NewDir(r.meta(0o755), nil)
	if err != nil {
		return nil, err
	}
	return &gitDir{r: r, edit: tree.Edit(root)}, nil
}

// gitClone describes a repository in a .git directory.
type gitClone struct {
	dir        string            // path in the .git directory; "" is the source itself
	worktree   string            // path of the files in the checkout; "" is the source itself
	url        string            // URL of the remote
	object     plumbing.Hash     // commit or annotated tag that was fetched
	refs       map[string]string // hashes of branches and tags, by full name
	submodules []gitSubmodule    // submodules that are checked out, in the order of their paths
	modules    map[string]bool   // names of submodules, and false for directories of such names
	unpack     bool              // store few objects in a file each, as git fetch does
}

// gitSubmodule is the configuration of a submodule in the repository that contains it.
type gitSubmodule struct{ name, url string }

// maxUnpackedObjects is the number of objects from which git fetch stores a pack instead of
// one file per object (the default of fetch.unpackLimit).
const maxUnpackedObjects = 100

// add adds the repository c, which was checked out from repo.
func (d *gitDir) add(ctx context.Context, c *gitClone, repo *gitRepository, commit *object.Commit) error {
	for _, dir := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := d.mkdir(path.Join(c.dir, dir)); err != nil {
			return err
		}
	}
	files := map[string]string{"HEAD": commit.Hash.String() + "\n", "shallow": commit.Hash.String() + "\n", "logs/HEAD": ""}
	for _, name := range slices.Sorted(maps.Keys(c.refs)) {
		if err := plumbing.ReferenceName(name).Validate(); err != nil {
			return fmt.Errorf("invalid git ref %q: %w", name, err)
		}
		files[name] = c.refs[name] + "\n"
		if strings.HasPrefix(name, "refs/heads/") {
			files["logs/"+name] = "" // git empties the log, but does not delete it
		}
	}
	var err error
	if files["config"], err = c.config(); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := d.put(path.Join(c.dir, name), 0o644, []byte(files[name])); err != nil {
			return err
		}
	}
	used, err := d.addIndex(ctx, c, repo, commit)
	if err != nil {
		return err
	}
	return d.addObjects(ctx, c, used)
}

// config returns the file config of the repository c, with the sections in git's order.
func (c *gitClone) config() (string, error) {
	cfg := gitconfig.New()
	core := cfg.Section("core")
	core.AddOption("repositoryformatversion", "0").AddOption("filemode", "true").AddOption("bare", "false").AddOption("logallrefupdates", "true")
	if c.worktree != "" {
		core.AddOption("worktree", relativePath(path.Join(".git", c.dir), c.worktree))
	}
	cfg.Section("remote").Subsection("origin").AddOption("url", c.url).AddOption("fetch", "+refs/heads/*:refs/remotes/origin/*")
	for _, s := range c.submodules {
		cfg.Section("submodule").Subsection(s.name).AddOption("active", "true").AddOption("url", s.url)
	}
	var b bytes.Buffer
	err := gitconfig.NewEncoder(&b).Encode(cfg)
	return b.String(), err
}

// relativePath returns the relative path from the directory from to the path to. Both are
// relative to the same root and clean. If one is below the other, the result still climbs to
// the root, as in git's configuration of submodules.
func relativePath(from, to string) string {
	return strings.Repeat("../", strings.Count(from, "/")+1) + to
}

// link returns the .git file of a submodule, which refers to its repository. Both paths are
// relative to the checkout.
func (d *gitDir) link(worktree, dir string) (*tree.Node, error) {
	b, err := d.store([]byte("gitdir: " + relativePath(worktree, path.Join(".git", dir)) + "\n"))
	if err != nil {
		return nil, err
	}
	return tree.NewFile(d.r.meta(0o644), b), nil
}

// attach adds the repository of m to the .git directory, and adds .git to the root directory
// of its files: the directory itself, or for a submodule a link to its repository.
func (d *gitDir) attach(ctx context.Context, root *tree.Node, m *gitModule, commit *object.Commit) (*tree.Node, error) {
	err := d.add(ctx, &m.clone, m.gitRepository, commit)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", path.Join(".git", m.clone.dir), err)
	}
	dotGit := d.edit.Tree()
	if m.clone.dir != "" {
		if dotGit, err = d.link(m.clone.worktree, m.clone.dir); err != nil {
			return nil, err
		}
	}
	entries, err := root.Entries()
	if err != nil {
		return nil, err
	}
	return tree.NewDir(root.Meta(), append(slices.Clone(entries), tree.Entry{Name: ".git", Node: dotGit}))
}

// submoduleClone describes the repository of the submodule at a path of m, and adds the
// submodule to the configuration of m. If the checkout contains no .git, it does nothing.
func (m *gitModule) submoduleClone(at, remote string, commit plumbing.Hash) (gitClone, error) {
	if m.r.gitDir == nil {
		return gitClone{}, nil
	}
	s := m.modules[at]
	if err := m.clone.addModule(s.Name); err != nil {
		return gitClone{}, err
	}
	url := s.URL
	if isRelativeURL(url) {
		url = redact(remote)
	}
	m.clone.submodules = append(m.clone.submodules, gitSubmodule{s.Name, url})
	return gitClone{
		dir: path.Join(m.clone.dir, "modules", s.Name), worktree: path.Join(m.clone.worktree, at), url: url, object: commit,
	}, nil
}

// addModule reserves the directory of the submodule with the given name. It returns an error if
// the directory is not below modules/, or if it is that of another submodule or contains it.
func (c *gitClone) addModule(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if !tree.ValidName(part) {
			return fmt.Errorf("invalid submodule name %q in .gitmodules", name)
		}
	}
	if c.modules == nil {
		c.modules = map[string]bool{}
	}
	_, taken := c.modules[name]
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		taken = taken || c.modules[dir]
		c.modules[dir] = false
	}
	if taken {
		return fmt.Errorf("the repository of submodule %q would be in the one of another submodule", name)
	}
	c.modules[name] = true
	return nil
}

func (d *gitDir) mkdir(name string) error {
	created, err := d.edit.MkdirAll(name, d.r.meta(0o755))
	if err != nil {
		return err
	}
	return d.r.left.spend(gitBudget{files: int64(len(created))})
}

func (d *gitDir) put(name string, mode uint32, data []byte) error {
	b, err := d.store(data)
	if err != nil {
		return err
	}
	return d.putBlob(name, mode, b)
}

func (d *gitDir) store(data []byte) (tree.Blob, error) {
	if err := d.r.left.spend(gitBudget{files: 1, bytes: int64(len(data))}); err != nil {
		return tree.Blob{}, err
	}
	return d.r.s.Store.PutBytes(data)
}

// putBlob adds a file to the .git directory. Its time is the time of the checkout.
func (d *gitDir) putBlob(name string, mode uint32, b tree.Blob) error {
	if err := d.mkdir(path.Dir(name)); err != nil {
		return err
	}
	return d.edit.Update(name, tree.NewFile(d.r.meta(mode), b))
}

// gitRefs returns the refs that the .git directory of the source g contains, by full name. The
// parameter tag reports whether the fetched object is an annotated tag.
//
// Upstream: BuildKit fetches a branch twice. The first fetch stores it as a tag of the same
// name, which the second one, into the checkout, finds as a tag of the commit.
func (g *Git) gitRefs(tag bool) map[string]string {
	if !tag && isCommit(g.shortRef) {
		return nil
	}
	as := g.shortRef
	if !strings.HasPrefix(as, "refs/tags/") {
		as = "refs/tags/" + as
	}
	refs := map[string]string{as: g.object}
	if !tag {
		refs[localRef(g.shortRef)] = g.object
	}
	return refs
}

// localRef returns the full name of the ref in which git fetch stores the destination of a
// refspec.
func localRef(name string) string {
	if strings.HasPrefix(name, "refs/") {
		return name
	}
	for _, kind := range []string{"heads/", "tags/", "remotes/"} {
		if strings.HasPrefix(name, kind) {
			return "refs/" + name
		}
	}
	return "refs/heads/" + name
}
