// Package fakegit creates Git repositories in memory and serves them over HTTP. Tests that use
// it do not depend on the git program.
package fakegit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage/memory"
)

// Server is an HTTP server for Git repositories.
type Server struct {
	URL string // address without a trailing slash
	// Auth is the Authorization header that each request must have. If Auth is "", no header
	// is required.
	Auth string

	repos map[string]*Repository // repositories by URL path
	packs int
}

// Start starts a server and closes it when the test ends.
func Start(t testing.TB) *Server {
	s := &Server{repos: map[string]*Repository{}}
	h := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// Fetches returns the number of packs that clients have fetched.
func (s *Server) Fetches() int { return s.packs }

// Repository is a Git repository in memory. Its HEAD is the branch main.
type Repository struct {
	URL string
	t   testing.TB
	sto *memory.Storage
}

// File is a file of a commit. Data is the content of the file or, if Mode is Submodule, the
// hash of the submodule's commit.
type File struct {
	Mode filemode.FileMode // 0 for a regular file
	Data string
}

// Repository creates an empty repository that the server serves at path.
func (s *Server) Repository(t testing.TB, path string) *Repository {
	r := &Repository{URL: s.URL + path, t: t, sto: memory.NewStorage()}
	r.must(r.sto.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, "refs/heads/main")))
	s.repos[path] = r
	return r
}

func (r *Repository) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

type encoder interface {
	Encode(o plumbing.EncodedObject) error
}

func (r *Repository) store(e encoder) plumbing.Hash {
	r.t.Helper()
	o := r.sto.NewEncodedObject()
	r.must(e.Encode(o))
	hash, err := r.sto.SetEncodedObject(o)
	r.must(err)
	return hash
}

type blob string

// Encode implements [encoder]: it sets the type of the object o to blob, and the content to b.
func (b blob) Encode(o plumbing.EncodedObject) error {
	o.SetType(plumbing.BlobObject)
	w, err := o.Writer()
	if err == nil {
		_, err = w.Write([]byte(b))
	}
	return err
}

// signature returns the author and committer that all commits have, with the given time.
func signature(at time.Time) object.Signature {
	return object.Signature{Name: "tester", Email: "tester@example.com", When: at}
}

// Commit creates a commit without parents that contains the given files, and returns its hash.
// It also sets the reference ref to the commit.
func (r *Repository) Commit(ref string, at time.Time, files map[string]File) string {
	r.t.Helper()
	return r.commit(ref, at, r.tree(files))
}

func (r *Repository) commit(ref string, at time.Time, tree plumbing.Hash) string {
	r.t.Helper()
	hash := r.store(&object.Commit{Author: signature(at), Committer: signature(at), Message: "files\n", TreeHash: tree}).String()
	r.Ref(ref, hash)
	return hash
}

// Ref sets the Git reference with the given name, such as refs/heads/main, to the object with
// the given hash.
func (r *Repository) Ref(ref, hash string) {
	r.t.Helper()
	r.must(r.sto.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(ref), plumbing.NewHash(hash))))
}

// Tag creates an annotated tag of a commit and returns the hash of the tag object.
func (r *Repository) Tag(name, commit string) string {
	r.t.Helper()
	hash := r.store(&object.Tag{Name: name, Tagger: signature(time.Unix(0, 0)), Message: "tag\n", TargetType: plumbing.CommitObject, Target: plumbing.NewHash(commit)}).String()
	r.Ref("refs/tags/"+name, hash)
	return hash
}

func (r *Repository) tree(files map[string]File) plumbing.Hash {
	r.t.Helper()
	t := &object.Tree{}
	dirs := map[string]map[string]File{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f := files[name]
		if dir, rest, ok := strings.Cut(name, "/"); ok {
			if dirs[dir] == nil {
				dirs[dir] = map[string]File{}
			}
			dirs[dir][rest] = f
			continue
		}
		e := object.TreeEntry{Name: name, Mode: f.Mode}
		switch f.Mode {
		case filemode.Submodule:
			e.Hash = plumbing.NewHash(f.Data)
		case filemode.Empty:
			e.Mode = filemode.Regular
			fallthrough
		default:
			e.Hash = r.store(blob(f.Data))
		}
		t.Entries = append(t.Entries, e)
	}
	for dir, below := range dirs {
		t.Entries = append(t.Entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: r.tree(below)})
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int { return strings.Compare(sortKey(a), sortKey(b)) })
	return r.store(t)
}

// sortKey returns the key by which a tree entry is sorted. Git sorts a directory as if its
// name ended with a slash.
func sortKey(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

func (s *Server) serve(w http.ResponseWriter, req *http.Request) {
	if s.Auth != "" && req.Header.Get("Authorization") != s.Auth {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := s.answer(w, req); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
	}
}

func (s *Server) answer(w http.ResponseWriter, req *http.Request) error {
	path, refs := strings.CutSuffix(req.URL.Path, "/info/refs")
	path = strings.TrimSuffix(path, "/git-upload-pack")
	r, ok := s.repos[path]
	if !ok {
		return fmt.Errorf("no repository at %q", path)
	}
	if refs {
		return r.advertise(req.Context(), w, []byte("# service=git-upload-pack"), pktline.Flush)
	}
	s.packs++
	return r.pack(req.Context(), req.Body, w)
}

// ServeUploadPack serves one git-upload-pack session over c, for example an SSH channel.
func (r *Repository) ServeUploadPack(ctx context.Context, c io.ReadWriter) error {
	if err := r.advertise(ctx, c); err != nil {
		return err
	}
	return r.pack(ctx, c, c)
}

func (r *Repository) session() (transport.UploadPackSession, error) {
	ep, err := transport.NewEndpoint(r.URL)
	if err != nil {
		return nil, err
	}
	return server.NewServer(server.MapLoader{ep.String(): r.sto}).NewUploadPackSession(ep, nil)
}

func (r *Repository) advertise(ctx context.Context, w io.Writer, prefix ...[]byte) error {
	session, err := r.session()
	if err != nil {
		return err
	}
	adv, err := session.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	for name, hash := range adv.References {
		if tag, err := object.GetTag(r.sto, hash); err == nil {
			adv.Peeled[name] = tag.Target
		}
	}
	adv.Prefix = prefix
	return adv.Encode(w)
}

func (r *Repository) pack(ctx context.Context, ask io.Reader, w io.Writer) error {
	session, err := r.session()
	if err != nil {
		return err
	}
	req := packp.NewUploadPackRequest()
	if err := req.Decode(ask); err != nil {
		return err
	}
	resp, err := session.UploadPack(ctx, req)
	if err != nil {
		return err
	}
	return resp.Encode(w)
}

// Object stores an object with the given content, which may be invalid, and returns its hash.
func (r *Repository) Object(kind plumbing.ObjectType, data []byte) plumbing.Hash {
	r.t.Helper()
	o := r.sto.NewEncodedObject()
	o.SetType(kind)
	w, err := o.Writer()
	r.must(err)
	_, err = w.Write(data)
	r.must(err)
	hash, err := r.sto.SetEncodedObject(o)
	r.must(err)
	return hash
}

// CommitTree creates a commit without parents whose tree has exactly the given entries, which
// may be invalid. It sets ref to the commit and returns its hash.
func (r *Repository) CommitTree(ref string, entries ...object.TreeEntry) string {
	r.t.Helper()
	return r.commit(ref, time.Unix(0, 0), r.Object(plumbing.TreeObject, TreeData(entries...)))
}

// TreeData returns the encoding of a tree object. The entries may be invalid.
func TreeData(entries ...object.TreeEntry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&b, "%o %s\x00%s", uint32(e.Mode), e.Name, e.Hash[:])
	}
	return b.Bytes()
}
