package llbsource

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"slipway/solver/tree"
)

const (
	maxGitDepth = 2048    // levels of nested directories, like git's core.maxTreeDepth
	maxGitText  = 1 << 20 // bytes in a commit, a tag, a link target, .gitmodules or .gitattributes
)

// gitCheckout holds a fetched commit: the tree of its files, and the raw commit and tag objects.
type gitCheckout struct {
	root                    *tree.Node
	commit                  string // hash
	commitObject, tagObject []byte
}

// checkout fetches the commit of the source g and reads its files. Within a build, all
// calls for the same commit share one fetch.
func (g *Git) checkout(ctx context.Context) (*gitCheckout, error) {
	key := fmt.Sprintf("%s %s %s", g.o.remote, g.object, g.Digest())
	return g.s.checkouts.Do(ctx, key, g.fetchOnce)
}

func (g *Git) fetchOnce(ctx context.Context) (*gitCheckout, error) {
	if isSHA256(g.object) {
		return g.checkoutSHA256(ctx)
	}
	r := &gitReader{s: g.s, o: g.o, left: g.s.gitBudget(), modules: map[string]readModule{}}
	repo, err := r.sourceRepository(ctx, plumbing.NewHash(g.object))
	if err != nil {
		return nil, err
	}
	defer repo.close()
	commit, tag, err := repo.peel(plumbing.NewHash(g.object))
	if err != nil {
		return nil, err
	}
	c := &gitCheckout{commit: commit.Hash.String(), tagObject: tag}
	if c.commitObject, err = repo.raw(plumbing.CommitObject, commit.Hash); err != nil {
		return nil, err
	}
	if r.time = g.s.Now().UTC(); g.o.commitTimes {
		r.time = commit.Committer.When.UTC()
	}
	if g.o.asBundle {
		c.root, err = r.bundle(g, repo, commit.Hash)
		return c, err
	}
	m := &gitModule{gitRepository: repo, clone: gitClone{url: redact(g.o.remote), object: plumbing.NewHash(g.object), unpack: true}}
	if g.o.hasGitDir() {
		if r.gitDir, err = r.newGitDir(); err != nil {
			return nil, err
		}
		m.clone.refs = g.gitRefs(c.tagObject != nil)
	}
	if c.root, err = r.files(ctx, m, commit); err != nil {
		return nil, fmt.Errorf("%s: %w", redact(g.o.remote), err)
	}
	return c, nil
}

// gitReader reads the files of one checkout, including its submodules. A single gitBudget
// limits all of them together.
type gitReader struct {
	s       *Sources
	o       *gitOptions
	time    time.Time // modification time of all files
	left    gitBudget
	packs   int64                 // bytes of memory used by open packs
	modules map[string]readModule // by URL, commit and path
	gitDir  *gitDir               // nil if the checkout contains no .git
}

// gitModule is a repository whose files are being read: the source itself or a
// submodule.
type gitModule struct {
	*gitRepository
	r       *gitReader
	depth   int                          // nesting level of the submodule; 0 is the source itself
	modules map[string]*config.Submodule // by path; nil until .gitmodules has been read
	list    *plumbing.Hash               // hash of .gitmodules; nil if there are no submodules
	rules   map[string][]gitRule         // lines of .gitattributes, by directory
	clone   gitClone                     // the repository in .git; unused if gitReader.gitDir is nil
	commit  plumbing.Hash                // the commit whose files are read
	program *gitProgram                  // has checked out the commit; nil until a file must be converted
}

// gitFile is the stored content of a git blob, with the text properties that decide
// whether git converts it.
type gitFile struct {
	blob tree.Blob
	text *gitText // nil until a line of .gitattributes needs it
}

// files reads the files of a commit and returns its root directory. If the source selects
// a subdirectory, files returns this directory instead.
func (r *gitReader) files(ctx context.Context, m *gitModule, commit *object.Commit) (*tree.Node, error) {
	root, err := r.module(ctx, m, commit, r.o.subdir)
	if err != nil {
		return nil, err
	}
	return r.subdirectory(root)
}

// subdirectory returns the directory below root that the source selects.
func (r *gitReader) subdirectory(root *tree.Node) (_ *tree.Node, err error) {
	var at string
	for part := range strings.SplitSeq(r.o.subdir, "/") {
		if part == "" {
			continue
		}
		at = path.Join(at, part)
		if root, err = root.Child(part); err != nil {
			return nil, err
		}
		switch {
		case root == nil:
			return nil, fmt.Errorf("invalid subdir %s: %q does not exist", r.o.subdir, at)
		case root.Kind() != tree.Dir:
			return nil, fmt.Errorf("invalid subdir %s: git subpath %q contains non-directory %q", r.o.subdir, "/"+r.o.subdir, at)
		}
	}
	return root, nil
}

// module reads the files of a commit in the repository m. If subdir is not "", it reads
// only the directory subdir and its parent directories.
func (r *gitReader) module(ctx context.Context, m *gitModule, commit *object.Commit, subdir string) (*tree.Node, error) {
	m.r, m.rules, m.commit = r, map[string][]gitRule{}, commit.Hash
	defer m.closeProgram()
	top, err := object.GetTree(m, commit.TreeHash)
	if err != nil {
		return nil, err
	}
	for _, e := range top.Entries {
		if e.Name == ".gitmodules" && e.Mode.IsRegular() {
			m.list = &e.Hash
		}
	}
	root, err := m.directory(ctx, top, "", subdir)
	if err != nil || r.gitDir == nil {
		return root, err
	}
	return r.gitDir.attach(ctx, root, m, commit)
}

func (m *gitModule) directory(ctx context.Context, t *object.Tree, at, subdir string) (*tree.Node, error) {
	if strings.Count(at, "/") > maxGitDepth {
		return nil, fmt.Errorf("directories are more than %d deep", maxGitDepth)
	}
	if err := m.r.left.spend(entriesCost(t)); err != nil {
		return nil, err
	}
	if err := m.readRules(t, at); err != nil {
		return nil, err
	}
	first, rest, _ := strings.Cut(subdir, "/")
	var entries []tree.Entry
	for _, e := range t.Entries {
		if !tree.ValidName(e.Name) || strings.EqualFold(e.Name, ".git") {
			return nil, fmt.Errorf("invalid path %q", at+"/"+e.Name)
		}
		if first != "" && e.Name != first {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := m.entry(ctx, e, path.Join(at, e.Name), rest)
		if err != nil {
			return nil, err
		}
		entries = append(entries, tree.Entry{Name: e.Name, Node: n})
	}
	n, err := tree.NewDir(m.r.meta(0o755), entries)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", at, err)
	}
	return n, nil
}

// entriesCost returns the cost of holding the entries of the directory t in memory, as a
// part of a checkout's budget. The caller must spend this cost before it reads
// subdirectories, because the entries of all parent directories are in memory at once.
func entriesCost(t *object.Tree) gitBudget {
	cost := gitBudget{files: int64(len(t.Entries))}
	for _, e := range t.Entries {
		cost.names += int64(len(e.Name))
	}
	return cost
}

func (r *gitReader) meta(mode uint32) tree.Meta { return tree.Meta{Mode: mode, ModTime: r.time} }

func (m *gitModule) entry(ctx context.Context, e object.TreeEntry, at, subdir string) (*tree.Node, error) {
	switch e.Mode {
	case filemode.Dir:
		sub, err := object.GetTree(m, e.Hash)
		if err != nil {
			return nil, fmt.Errorf("directory %q: %w", at, err)
		}
		return m.directory(ctx, sub, at, subdir)
	case filemode.Regular, filemode.Deprecated:
		return m.file(ctx, e.Hash, at, 0o644)
	case filemode.Executable:
		return m.file(ctx, e.Hash, at, 0o755)
	case filemode.Symlink:
		target, err := m.raw(plumbing.BlobObject, e.Hash)
		if err != nil {
			return nil, fmt.Errorf("link %q: %w", at, err)
		}
		return tree.NewSymlink(m.r.meta(0o777), string(target)), m.r.left.spend(gitBudget{names: int64(len(target))})
	case filemode.Submodule:
		if m.r.o.skipSubmodules {
			return tree.NewDir(m.r.meta(0o755), nil)
		}
		n, err := m.submodule(ctx, e.Hash, at, subdir)
		if err != nil {
			return nil, fmt.Errorf("submodule %q: %w", at, err)
		}
		return n, nil
	}
	return nil, fmt.Errorf("%q has the unknown mode %s", at, e.Mode)
}

func (m *gitModule) file(ctx context.Context, hash plumbing.Hash, at string, mode uint32) (*tree.Node, error) {
	f, err := m.content(hash)
	if err == nil {
		err = m.r.left.spend(gitBudget{bytes: f.blob.Size})
	}
	if err != nil {
		return nil, fmt.Errorf("file %q: %w", at, err)
	}
	rule, err := m.conversion(at, f)
	if err != nil || rule == nil {
		return tree.NewFile(m.r.meta(mode), f.blob), err
	}
	b, err := m.convert(ctx, at)
	if err == nil {
		err = m.r.left.spend(gitBudget{bytes: max(b.Size-f.blob.Size, 0)})
	}
	if err != nil {
		return nil, fmt.Errorf("file %q has the attribute %s in .gitattributes: %w", at, rule.attribute, err)
	}
	return tree.NewFile(m.r.meta(mode), b), nil
}

// content copies the git blob with the given hash to the content store, and returns a
// gitFile for it. A blob that is the content of several files is read once.
func (m *gitModule) content(hash plumbing.Hash) (*gitFile, error) {
	if f, ok := m.contents[hash]; ok {
		return f, nil
	}
	o, err := object.GetBlob(m, hash)
	if err != nil {
		return nil, err
	}
	rd, err := o.Reader()
	if err != nil {
		return nil, err
	}
	b, err := m.r.s.Store.Put(rd)
	if err = errors.Join(err, rd.Close()); err != nil {
		return nil, err
	}
	f := &gitFile{blob: b}
	m.contents[hash] = f
	return f, nil
}

// readModule holds the files of a submodule and their cost, which is charged again for
// each path at which the submodule appears.
type readModule struct {
	root *tree.Node
	cost gitBudget
}

// submodule returns the root directory of a submodule at the given commit. The parameter
// at is the path of the submodule in the repository m. If subdir is not "", the result
// contains only the directory subdir of the submodule and its parent directories. A
// commit is fetched once, even if it appears at several paths. If the checkout contains .git,
// it is fetched for each path, because the result contains links to different repositories.
func (m *gitModule) submodule(ctx context.Context, commit plumbing.Hash, at, subdir string) (*tree.Node, error) {
	if m.depth == maxModuleDepth {
		return nil, fmt.Errorf("submodules are nested more than %d deep", maxModuleDepth)
	}
	remote, err := m.submoduleURL(at)
	if err != nil {
		return nil, err
	}
	clone, err := m.submoduleClone(at, remote, commit)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%s %s %s", remote, commit, subdir)
	if done, ok := m.r.modules[key]; ok {
		return done.root, m.r.left.spend(done.cost)
	}
	before := m.r.left
	if err := m.r.left.spend(gitBudget{submodules: 1}); err != nil {
		return nil, err
	}
	root, err := m.fetchModule(ctx, remote, commit, subdir, clone)
	if err == nil && m.r.gitDir == nil {
		m.r.modules[key] = readModule{root, before.minus(m.r.left)}
	}
	return root, err
}

// fetchModule fetches a commit of a submodule and reads its files. Without a .git directory,
// it does not create a .git file in the submodule either. Git does, but the file would contain
// a path of this machine.
func (m *gitModule) fetchModule(ctx context.Context, remote string, commit plumbing.Hash, subdir string, clone gitClone) (*tree.Node, error) {
	if p, ok := m.EncodedObjectStorer.(*gitPack); ok {
		p.cache.Clear()
		p.base = packedBase{}
	}
	session, err := m.r.s.gitSession(ctx, m.r.o, remote)
	if err != nil {
		return nil, err
	}
	repo, err := m.r.repository(ctx, session, commit, false)
	if err != nil {
		return nil, err
	}
	defer repo.close()
	c, err := object.GetCommit(repo, commit)
	if err != nil {
		return nil, err
	}
	return m.r.module(ctx, &gitModule{gitRepository: repo, depth: m.depth + 1, clone: clone}, c, subdir)
}

func (m *gitModule) submoduleURL(at string) (string, error) {
	if m.modules == nil {
		m.modules = map[string]*config.Submodule{}
		if err := m.readModules(); err != nil {
			return "", fmt.Errorf(".gitmodules: %w", err)
		}
	}
	sub, ok := m.modules[at]
	if !ok || sub.URL == "" {
		return "", errors.New("no URL found in .gitmodules")
	}
	if !isRelativeURL(sub.URL) {
		u, err := gitURL(sub.URL)
		if err != nil {
			return "", err
		}
		return u.Remote, nil
	}
	u, err := url.Parse(m.remote)
	if err != nil {
		return "", fmt.Errorf("%s is relative to %s: %w", sub.URL, redact(m.remote), err)
	}
	u.Path = path.Join("/", u.Path, sub.URL)
	return u.String(), nil
}

// isRelativeURL reports whether the URL of a submodule is relative to the remote of the
// repository that contains the submodule.
func isRelativeURL(u string) bool { return strings.HasPrefix(u, "./") || strings.HasPrefix(u, "../") }

func (m *gitModule) readModules() error {
	if m.list == nil {
		return nil
	}
	text, err := m.raw(plumbing.BlobObject, *m.list)
	if err != nil {
		return err
	}
	list := config.NewModules()
	if err := list.Unmarshal(text); err != nil {
		return err
	}
	for _, s := range list.Submodules {
		m.modules[path.Clean(s.Path)] = s
	}
	return nil
}
