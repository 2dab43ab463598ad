package llbsource

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// httpGit is a [gitService] over HTTP. It first asks for refs with git's smart protocol. If the
// server does not speak it, httpGit uses the dumb protocol.
type httpGit struct {
	gitService
	pages *errorPages // transport of gitService
	dumb  *dumbGit
}

func (g *httpGit) refsStart() *refsStart { return &g.pages.start }

// dialGitHTTP returns a service for the repository at an HTTP URL.
func (s *Sources) dialGitHTTP(ctx context.Context, o *gitOptions, ep *transport.Endpoint, remote string) (*httpGit, error) {
	auth, err := s.gitAuth(ctx, o, remote)
	if err != nil {
		return nil, err
	}
	client, pages := withoutErrorPages(s.HTTP)
	smart, err := githttp.NewClient(client).NewUploadPackSession(ep, auth)
	if err != nil {
		return nil, err
	}
	dumb := &dumbGit{client: client, base: strings.TrimSuffix(remote, "/"), temp: s.Temp}
	dumb.auth, _ = auth.(*gitHeader)
	return &httpGit{gitService: smart, pages: pages, dumb: dumb}, nil
}

// AdvertisedReferencesContext returns the refs of the repository.
func (g *httpGit) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	adv, err := g.gitService.AdvertisedReferencesContext(ctx)
	if err == nil || !g.pages.dumb || g.gitService == g.dumb {
		return adv, err
	}
	_ = g.gitService.Close() // has no connection of its own
	g.gitService = g.dumb
	return g.dumb.AdvertisedReferencesContext(ctx)
}

// dumbGit is a [gitService] for a repository on an HTTP server that knows nothing of git. The
// server sends the files of the repository, including those that git update-server-info writes.
// Not safe for concurrent use.
//
// See https://git-scm.com/docs/gitprotocol-http#_dumb_clients.
type dumbGit struct {
	client *http.Client
	base   string     // URL of the repository without a trailing slash
	auth   *gitHeader // may be nil
	temp   string     // directory for temporary files

	open     []*gitPack // packs that were fetched
	unopened []string   // URLs of other packs on the server, without the extension
	listed   bool       // unopened was read
}

// maxIndex is the maximum size in bytes of the index of a pack on a dumb server.
const maxIndex = maxPackObjects * 32

// errNotServed is the error for a file that does not exist on a dumb server.
var errNotServed = errors.New("the server does not have the file")

// get requests a file of the repository. The caller must close the body.
func (g *dumbGit) get(ctx context.Context, file string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.base+"/"+file, nil)
	if err != nil {
		return nil, err
	}
	if g.auth != nil {
		g.auth.SetAuth(req)
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	_ = resp.Body.Close() // is empty
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return nil, errNotServed
	case http.StatusUnauthorized:
		return nil, transport.ErrAuthenticationRequired
	case http.StatusForbidden:
		return nil, transport.ErrAuthorizationFailed
	}
	return nil, fmt.Errorf("%s: the server answers %s", file, resp.Status)
}

// lines calls use with each line of a file of the repository. The file must not be larger than
// the list of refs may be.
func (g *dumbGit) lines(ctx context.Context, file string, use func(line string) error) error {
	body, err := g.get(ctx, file)
	if err != nil {
		return err
	}
	defer body.Close()
	s := bufio.NewScanner(&limitedReader{body, maxGitRefs, nil})
	for s.Scan() {
		if err := use(s.Text()); err != nil {
			return err
		}
	}
	return s.Err()
}

// AdvertisedReferencesContext returns the refs of the repository. All objects of the repository can
// be requested, as on a server with the capability allow-any-sha1-in-want.
func (g *dumbGit) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	adv := packp.NewAdvRefs()
	err := g.lines(ctx, "info/refs", func(line string) error {
		hash, name, ok := strings.Cut(line, "\t")
		if ok && isCommit(hash) && isSHA256(hash) {
			return errSHA256
		}
		if !ok || !plumbing.IsHash(hash) {
			return errors.New("the server has no git repository at this address (its file info/refs is not a list of refs)")
		}
		if tag, ok := strings.CutSuffix(name, "^{}"); ok {
			adv.Peeled[tag] = plumbing.NewHash(hash)
		} else {
			adv.References[name] = plumbing.NewHash(hash)
		}
		return nil
	})
	switch {
	case errors.Is(err, errNotServed):
		return nil, transport.ErrRepositoryNotFound
	case err != nil:
		return nil, err
	case len(adv.References) == 0:
		return nil, transport.ErrEmptyRemoteRepository
	}
	err = g.lines(ctx, "HEAD", func(line string) error {
		if target, ok := strings.CutPrefix(line, "ref: "); ok {
			return adv.Capabilities.Set(capability.SymRef, "HEAD:"+target)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errNotServed) {
		return nil, err
	}
	return adv, errors.Join(adv.Capabilities.Set("allow-any-sha1-in-want"), adv.Capabilities.Set(capability.Shallow))
}

// UploadPack returns a pack with the requested commits and tags and their files. The pack contains
// earlier commits only if the request has no depth.
func (g *dumbGit) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	w, err := newPackSpool(g.temp)
	if err != nil {
		return nil, err
	}
	if err := g.copyAll(ctx, req.Wants, !req.Depth.IsZero(), w); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if err := w.finish(); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return packp.NewUploadPackResponseWithPackfile(req, w), nil
}

// copyAll writes objects to a pack, and all objects that belong to their files. Unless shallow is
// set, it also copies all earlier commits.
func (g *dumbGit) copyAll(ctx context.Context, todo []plumbing.Hash, shallow bool, w *packSpool) error {
	seen := map[plumbing.Hash]bool{}
	for len(todo) > 0 {
		hash := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[hash] {
			continue
		}
		if seen[hash] = true; len(seen) > maxPackObjects {
			return fmt.Errorf("the commit has more than %d objects", maxPackObjects)
		}
		links, err := g.copy(ctx, hash, shallow, w)
		if errors.Is(err, errNotServed) {
			return fmt.Errorf("the server has no object %s", hash)
		}
		if err != nil {
			return fmt.Errorf("object %s: %w", hash, err)
		}
		todo = append(todo, links...)
	}
	return nil
}

// copy writes an object to a pack. It returns the objects to which the object refers, except for
// submodules. If shallow is set, the result does not contain parent commits.
func (g *dumbGit) copy(ctx context.Context, hash plumbing.Hash, shallow bool, w *packSpool) ([]plumbing.Hash, error) {
	o, err := g.object(ctx, hash)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if o.size > maxGitObject {
		return nil, errLargeObject
	}
	if o.kind == plumbing.BlobObject {
		return nil, w.add(o.kind, o.size, o)
	}
	if o.size > maxGitTree {
		return nil, fmt.Errorf("it has %d bytes, more than %d", o.size, maxGitTree)
	}
	m := &plumbing.MemoryObject{}
	m.SetType(o.kind)
	if _, err := io.Copy(m, io.LimitReader(o, o.size+1)); err != nil {
		return nil, err
	}
	r, err := m.Reader()
	if err == nil {
		err = w.add(o.kind, o.size, r)
	}
	if err != nil {
		return nil, err
	}
	return linksOf(m, shallow)
}

// linksOf returns the objects to which a commit, a tag or a tree refers, except for submodules. If
// shallow is set, the result does not contain parent commits.
func linksOf(o plumbing.EncodedObject, shallow bool) ([]plumbing.Hash, error) {
	switch o.Type() {
	case plumbing.CommitObject:
		c, err := object.DecodeCommit(nil, o)
		if err != nil {
			return nil, err
		}
		if shallow {
			return []plumbing.Hash{c.TreeHash}, nil
		}
		return append(c.ParentHashes, c.TreeHash), nil
	case plumbing.TagObject:
		t := &object.Tag{}
		err := t.Decode(o)
		return []plumbing.Hash{t.Target}, err
	case plumbing.TreeObject:
		t := &object.Tree{}
		err := t.Decode(o)
		var links []plumbing.Hash
		for _, e := range t.Entries {
			if e.Mode != filemode.Submodule {
				links = append(links, e.Hash)
			}
		}
		return links, err
	}
	return nil, fmt.Errorf("unknown type %s", o.Type())
}

// dumbObject is a git object that is read from a dumb server.
type dumbObject struct {
	io.Reader // content without the header
	kind      plumbing.ObjectType
	size      int64
	close     func() error
}

// Close implements [io.Closer].
func (o *dumbObject) Close() error { return o.close() }

// object opens an object: a file of its own or, if the server has none, an object in a pack.
func (g *dumbGit) object(ctx context.Context, hash plumbing.Hash) (*dumbObject, error) {
	name := hash.String()
	body, err := g.get(ctx, "objects/"+name[:2]+"/"+name[2:])
	if errors.Is(err, errNotServed) {
		return g.packed(ctx, hash)
	}
	if err != nil {
		return nil, err
	}
	r, err := objfile.NewReader(body)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	o := &dumbObject{Reader: r, close: func() error { return errors.Join(r.Close(), body.Close()) }}
	if o.kind, o.size, err = r.Header(); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// packed opens an object in a pack. It fetches the packs whose index contains the object.
func (g *dumbGit) packed(ctx context.Context, hash plumbing.Hash) (*dumbObject, error) {
	if err := g.listPacks(ctx); err != nil {
		return nil, err
	}
	for _, p := range g.open {
		if o, err := p.EncodedObject(plumbing.AnyObject, hash); err == nil {
			return openPacked(o)
		}
	}
	for i, pack := range g.unopened {
		ok, err := g.contains(ctx, pack, hash)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		p, err := g.fetchPack(ctx, pack)
		if err != nil {
			return nil, err
		}
		g.open, g.unopened = append(g.open, p), append(g.unopened[:i:i], g.unopened[i+1:]...)
		o, err := p.EncodedObject(plumbing.AnyObject, hash)
		if err != nil {
			return nil, err
		}
		return openPacked(o)
	}
	return nil, errNotServed
}

func openPacked(o plumbing.EncodedObject) (*dumbObject, error) {
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	return &dumbObject{Reader: r, kind: o.Type(), size: o.Size(), close: r.Close}, nil
}

// listPacks reads the list of packs on the server, unless it was read before.
func (g *dumbGit) listPacks(ctx context.Context) error {
	if g.listed {
		return nil
	}
	g.listed = true
	err := g.lines(ctx, "objects/info/packs", func(line string) error {
		name, ok := strings.CutPrefix(line, "P pack-")
		if name, isPack := strings.CutSuffix(name, ".pack"); ok && isPack && hexDigits.MatchString(name) {
			g.unopened = append(g.unopened, "objects/pack/pack-"+name)
		}
		return nil
	})
	if errors.Is(err, errNotServed) {
		return nil
	}
	return err
}

// contains reports whether a pack on the server contains an object.
func (g *dumbGit) contains(ctx context.Context, pack string, hash plumbing.Hash) (bool, error) {
	body, err := g.get(ctx, pack+".idx")
	if err != nil {
		return false, err
	}
	defer body.Close()
	index := idxfile.NewMemoryIndex()
	if err := idxfile.NewDecoder(io.LimitReader(body, maxIndex)).Decode(index); err != nil {
		return false, fmt.Errorf("%s.idx: %w", pack, err)
	}
	return index.Contains(hash)
}

// fetchPack fetches a pack from the server.
func (g *dumbGit) fetchPack(ctx context.Context, pack string) (*gitPack, error) {
	body, err := g.get(ctx, pack+".pack")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	used := int64(0)
	for _, p := range g.open {
		used += p.memory()
	}
	return readPack(ctx, body, packTarget{g.temp, maxPackMemory - used})
}

// Close implements [io.Closer]. It removes the packs.
func (g *dumbGit) Close() error {
	var err error
	for _, p := range g.open {
		err = errors.Join(err, p.Close())
	}
	g.open = nil
	return err
}
