package fakegit

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// packName is the name of the pack of a [Dumb] server, without the extension.
const packName = "pack-0123456789012345678901234567890123456789"

// Dumb is an HTTP server that serves a repository as files, as git's dumb protocol requires.
type Dumb struct {
	URL string
	// Files contains files of the repository that differ from the repository: content by path.
	Files map[string]string

	t      testing.TB
	repo   *Repository
	packed map[plumbing.Hash]bool // objects without a file of their own
	pack   []byte
	index  []byte
}

// Dumb starts a server for the repository, and closes it when the test ends. The objects that
// exist when Dumb is called are in a pack. Each later object has a file of its own.
func (r *Repository) Dumb(t testing.TB) *Dumb {
	d := &Dumb{t: t, repo: r, Files: map[string]string{}, packed: map[plumbing.Hash]bool{}}
	var hashes []plumbing.Hash
	for h := range r.sto.Objects {
		hashes = append(hashes, h)
		d.packed[h] = true
	}
	if len(hashes) > 0 {
		var pack, index bytes.Buffer
		_, err := packfile.NewEncoder(&pack, r.sto, false).Encode(hashes, 0)
		r.must(err)
		w := new(idxfile.Writer)
		p, err := packfile.NewParser(packfile.NewScanner(bytes.NewReader(pack.Bytes())), w)
		r.must(err)
		_, err = p.Parse()
		r.must(err)
		idx, err := w.Index()
		r.must(err)
		_, err = idxfile.NewEncoder(&index).Encode(idx)
		r.must(err)
		d.pack, d.index = pack.Bytes(), index.Bytes()
	}
	h := httptest.NewServer(http.HandlerFunc(d.serve))
	t.Cleanup(h.Close)
	d.URL = h.URL
	return d
}

func (d *Dumb) serve(w http.ResponseWriter, req *http.Request) {
	path := strings.TrimPrefix(req.URL.Path, "/")
	data, ok := d.Files[path]
	if !ok {
		data, ok = d.file(path)
	}
	if !ok {
		http.NotFound(w, req)
		return
	}
	_, _ = w.Write([]byte(data))
}

// file returns the content of a file of the repository.
func (d *Dumb) file(path string) (data string, ok bool) {
	switch path {
	case "HEAD":
		return "ref: refs/heads/main\n", true
	case "info/refs":
		return d.refs(), true
	case "objects/info/packs":
		return "P " + packName + ".pack\n\n", d.pack != nil
	case "objects/pack/" + packName + ".pack":
		return string(d.pack), d.pack != nil
	case "objects/pack/" + packName + ".idx":
		return string(d.index), d.index != nil
	}
	name, ok := strings.CutPrefix(path, "objects/")
	hash := plumbing.NewHash(strings.ReplaceAll(name, "/", ""))
	o, exists := d.repo.sto.Objects[hash]
	if !ok || !exists || d.packed[hash] {
		return "", false
	}
	return d.encode(o), true
}

// encode returns the file of an object.
func (d *Dumb) encode(o plumbing.EncodedObject) string {
	var out bytes.Buffer
	w := objfile.NewWriter(&out)
	d.repo.must(w.WriteHeader(o.Type(), o.Size()))
	r, err := o.Reader()
	d.repo.must(err)
	var content bytes.Buffer
	_, err = content.ReadFrom(r)
	d.repo.must(err)
	_, err = w.Write(content.Bytes())
	d.repo.must(err)
	d.repo.must(w.Close())
	return out.String()
}

// refs returns the list of refs, with the commits of annotated tags.
func (d *Dumb) refs() string {
	var out strings.Builder
	for name, ref := range d.repo.sto.ReferenceStorage {
		if ref.Type() != plumbing.HashReference {
			continue
		}
		fmt.Fprintf(&out, "%s\t%s\n", ref.Hash(), name)
		if tag, err := object.GetTag(d.repo.sto, ref.Hash()); err == nil {
			fmt.Fprintf(&out, "%s\t%s^{}\n", tag.Target, name)
		}
	}
	return out.String()
}
