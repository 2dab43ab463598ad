package llbsource

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/memory"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/fakegit"
	"slipway/internal/testtree"
	"slipway/solver"
	"slipway/solver/tree"
)

// fuzzSources returns Sources without a network and with low limits for checkouts and
// layers. All inputs of a fuzz test share the store of these Sources.
func fuzzSources(f *testing.F) *Sources {
	f.Helper()
	store, err := tree.OpenStore(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	return &Sources{
		Store: store, Cache: solver.NewMemoryCache(), Temp: f.TempDir(), Now: func() time.Time { return built },
		HTTP: &http.Client{Transport: offline{}}, Limits: tree.Limits{Bytes: 1 << 20, Files: 1000, Names: 1 << 16},
	}
}

// offline is a transport that always fails.
type offline struct{}

// RoundTrip implements [http.RoundTripper].
func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("offline") }

// putObject adds a git object to a storage and returns the object's hash. The parameter
// kind is the type of the object, and data is its content.
func putObject(t *testing.T, to *memory.Storage, kind plumbing.ObjectType, data []byte) plumbing.Hash {
	t.Helper()
	o := &plumbing.MemoryObject{}
	o.SetType(kind)
	_, err := o.Write(data)
	if err == nil {
		_, err = to.SetEncodedObject(o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o.Hash()
}

// validNames fails the test unless all file names in the tree are valid and none of them
// is .git.
func validNames(t *testing.T, n *tree.Node) {
	t.Helper()
	for _, e := range testtree.Must(n.Entries()) {
		if !tree.ValidName(e.Name) || strings.EqualFold(e.Name, ".git") {
			t.Errorf("the tree has the name %q", e.Name)
		}
		validNames(t, e.Node)
	}
}

// FuzzGitTree checks that reading a commit with arbitrary objects succeeds or returns an
// error. Each line of the input is the mode and name of an entry in the top directory.
func FuzzGitTree(f *testing.F) {
	s := fuzzSources(f)
	f.Add("100644 f\n100755 x\n120000 l\n40000 d\n160000 m", "* ident\n", "[submodule \"m\"]\n\tpath = m\n\turl = ../m.git\n", "$Id$\n", "d", false)
	f.Add("100644 /x", "* ident\n", "", "", "", true)
	f.Add("100644 ..\n40000 .git\n40000 a/b", "[attr]x eol=crlf\n*.bat x\n", "", "a\r\n", "", false)
	f.Add("160000 m", "", "[submodule \"m\"]\n\tpath = m\n\turl = file:///etc\n", "", "m/x", true)
	f.Add("100644 f\n100644 f", "**/*[ ident\n", "[submodule \"\"]\n\tpath = ../m\n\turl = -x\n", "", "", false)
	f.Fuzz(func(t *testing.T, lines, attributes, modules, content, subdir string, skip bool) {
		sto := memory.NewStorage()
		blob := putObject(t, sto, plumbing.BlobObject, []byte(content))
		rules := fmt.Appendf(nil, "100644 .gitattributes\x00%s100644 .gitmodules\x00%s", hashOf(putObject(t, sto, plumbing.BlobObject, []byte(attributes))), hashOf(putObject(t, sto, plumbing.BlobObject, []byte(modules))))
		below := putObject(t, sto, plumbing.TreeObject, append(rules, "100644 f\x00"+hashOf(blob)...))
		top := bytes.Clone(rules)
		for line := range strings.Lines(lines) {
			of := blob
			if strings.HasPrefix(line, "40000 ") {
				of = below
			}
			top = append(top, strings.TrimSuffix(line, "\n")+"\x00"+hashOf(of)...)
		}
		commit := &object.Commit{TreeHash: putObject(t, sto, plumbing.TreeObject, top)}
		r := &gitReader{s: s, o: &gitOptions{remote: "http://host.invalid/x/r.git", subdir: strings.Trim(subdir, "/"), skipSubmodules: skip}, left: s.gitBudget(), modules: map[string]readModule{}}
		root, err := r.files(t.Context(), &gitModule{gitRepository: &gitRepository{EncodedObjectStorer: sto, remote: r.o.remote, contents: map[plumbing.Hash]*gitFile{}}}, commit)
		if err == nil {
			validNames(t, root)
		}
	})
}

func hashOf(h plumbing.Hash) string { return string(h[:]) }

// writeCloser is an [io.WriteCloser] whose Close method has no effect.
type writeCloser struct{ io.Writer }

// Close implements [io.Closer].
func (writeCloser) Close() error { return nil }

// FuzzGitPack checks that reading an arbitrary response from a git server succeeds or
// returns an error.
func FuzzGitPack(f *testing.F) {
	s, dir := fuzzSources(f), f.TempDir()
	r := fakegit.Start(f).Repository(f, "/r.git")
	commit := r.Commit("refs/heads/main", committed, map[string]fakegit.File{"a": {Data: "x"}, "d/b": {Data: "y"}})
	f.Add(recorded(f, r, commit), commit)
	refs := "003f" + commit + " refs/heads/main\n0000"
	for _, pack := range []string{
		"PACK\x00\x00\x00\x02\xff\xff\xff\xff", "PACK\x00\x00\x00\x02\x00\x00\x00\x01", "PACK\x00\x00\x00\x03\x00\x00\x00\x01", "",
		"PACK\x00\x00\x00\x02\x00\x00\x00\x01" + packedHeader(plumbing.BlobObject, maxGitObject+1),
		"PACK\x00\x00\x00\x02\x00\x00\x00\x01" + packedHeader(plumbing.BlobObject, 1<<29) + zlibbed(f, "x"),
		"PACK\x00\x00\x00\x02\x00\x00\x00\x01" + packedHeader(plumbing.REFDeltaObject, 2) + strings.Repeat("b", 20) + zlibbed(f, "\x01\x02"),
		"PACK\x00\x00\x00\x02\x00\x00\x00\x02" + packedHeader(plumbing.BlobObject, 1) + zlibbed(f, "x") + packedHeader(plumbing.OFSDeltaObject, 3) + "\x0a" + zlibbed(f, "\x01\x01\x90"),
	} {
		f.Add([]byte(refs+"0008NAK\n"+pack), commit)
	}
	f.Add([]byte("0035"+strings.Repeat("0", 40)+" capabilities^{}\x00\n0000"), commit)
	f.Add([]byte("000eERR denied"), commit)
	f.Fuzz(func(t *testing.T, sent []byte, hash string) {
		g := &gitStream{timer: newStallTimer(t.Context(), "host", 0), in: writeCloser{io.Discard}, out: bytes.NewReader(sent), conn: writeCloser{}}
		defer g.Close()
		adv, err := g.AdvertisedReferencesContext(t.Context())
		if err != nil {
			return
		}
		session := &gitSession{gitService: g, adv: adv, refs: parseRefs(adv)}
		want := plumbing.NewHash(hash)
		pack, err := session.fetch(t.Context(), want, packTarget{dir, maxPackMemory}, false)
		if err != nil {
			return
		}
		defer pack.Close()
		repo := &gitRepository{EncodedObjectStorer: pack, contents: map[plumbing.Hash]*gitFile{}}
		c, _, err := repo.peel(want)
		if err != nil {
			return
		}
		reader := &gitReader{s: s, o: &gitOptions{skipSubmodules: true}, left: s.gitBudget(), modules: map[string]readModule{}}
		if root, err := reader.files(t.Context(), &gitModule{gitRepository: repo}, c); err == nil {
			validNames(t, root)
		}
	})
}

// recorded returns the bytes that a git server sends to a client that requests a commit.
func recorded(f *testing.F, r *fakegit.Repository, commit string) []byte {
	f.Helper()
	ask := "0032want " + commit + "\n00000009done\n"
	var sent bytes.Buffer
	if err := r.ServeUploadPack(context.Background(), struct {
		io.Reader
		io.Writer
	}{strings.NewReader(ask), &sent}); err != nil {
		f.Fatal(err)
	}
	if !bytes.Contains(sent.Bytes(), binary.BigEndian.AppendUint32([]byte("PACK"), 2)) {
		f.Fatalf("the server sends %q", sent.Bytes())
	}
	return sent.Bytes()
}

// FuzzLayout checks that reading an OCI layout with arbitrary content succeeds or returns
// an error. In the input, MANIFEST, CONFIG and LAYER stand for digests of existing files.
func FuzzLayout(f *testing.F) {
	s := fuzzSources(f)
	layer := makeTar(f, tarEntry{name: "f", data: "x"})
	index := `{"manifests":[{"digest":"MANIFEST","annotations":{"org.opencontainers.image.ref.name":"1"}}]}`
	manifest := fmt.Sprintf(`{"config":{"digest":"CONFIG"},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"LAYER","size":%d}]}`, len(layer))
	f.Add(index, manifest, imageConfig(sum(layer)), layer, "1")
	f.Add(index, manifest, imageConfig(""), layer, "")
	f.Add(index, `{"config":{"digest":"CONFIG"},"layers":[{"digest":"LAYER","size":-1}]}`, imageConfig(sum(layer)), "", "1")
	f.Add(`{"manifests":[{"digest":"sha256:../../x"},{"digest":"MANIFEST"}]}`, `{"manifests":[{"digest":"CONFIG","platform":{"os":"linux","architecture":"amd64"}}]}`, "{}", "", "latest")
	f.Add("[]", "null", "null", "", ":")
	f.Fuzz(func(t *testing.T, index, manifest, config, layer, want string) {
		names := []string{"LAYER", sum(layer), "CONFIG", sum(config)}
		manifest = strings.NewReplacer(names...).Replace(manifest)
		index = strings.NewReplacer(append(names, "MANIFEST", sum(manifest))...).Replace(index)
		files := fstest.MapFS{"index.json": {Data: []byte(index)}}
		for _, data := range []string{manifest, config, layer} {
			files[blobName(digest.FromString(data))] = &fstest.MapFile{Data: []byte(data)}
		}
		l, err := ociFiles(files)
		if err != nil {
			return
		}
		for _, i := range l.images {
			for _, n := range i.names {
				matchesName(n, want)
			}
			if img, err := s.imageIn(t.Context(), "x", l.from, ocispecs.Descriptor{Digest: i.digest}, Machine()); err == nil {
				if snapshot, err := img.Fetch(t.Context()); err == nil {
					validTree(t, testtree.Of(snapshot))
				}
			}
		}
	})
}

// validTree fails the test unless all names in a tree are valid file names.
func validTree(t *testing.T, n *tree.Node) {
	t.Helper()
	for _, e := range testtree.Must(n.Entries()) {
		if !tree.ValidName(e.Name) {
			t.Errorf("the tree has the name %q", e.Name)
		}
		validTree(t, e.Node)
	}
}

// FuzzImageArchive checks that reading an arbitrary file as an archive of images succeeds
// or returns an error.
func FuzzImageArchive(f *testing.F) {
	s := fuzzSources(f)
	config := `{"rootfs":{"diff_ids":[]}}`
	saved := makeTar(f, tarEntry{name: "c", data: config}, tarEntry{name: "manifest.json", data: `[{"Config":"c","RepoTags":["a:1"]}]`})
	f.Add([]byte(saved), "a:1")
	f.Add([]byte(gzipped(f, saved)), "")
	f.Add([]byte(makeTar(f, tarEntry{name: "index.json", data: `{"manifests":[]}`}, tarEntry{name: "l", link: "l"})), "")
	f.Add([]byte("\x28\xb5\x2f\xfd"), "x")
	file := filepath.Join(f.TempDir(), "archive")
	f.Fuzz(func(t *testing.T, data []byte, want string) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		fresh := &Sources{Store: s.Store, Cache: s.Cache, Limits: s.Limits, Layouts: map[string]string{"store": file}}
		d, err := fresh.FindImage(t.Context(), file, want)
		if err != nil {
			return
		}
		if img, err := fresh.ResolveLayout(t.Context(), "x@"+string(d), "store", Machine()); err == nil {
			_, _ = img.Fetch(t.Context())
		}
	})
}

// FuzzIndexFile checks that an index with arbitrary file content can be loaded, changed
// and saved. If the file is damaged, the index is empty.
func FuzzIndexFile(f *testing.F) {
	file := filepath.Join(f.TempDir(), "index")
	content := filepath.Join(f.TempDir(), "content")
	if err := os.WriteFile(content, []byte("x"), 0o600); err != nil {
		f.Fatal(err)
	}
	info, err := os.Stat(content)
	if err != nil {
		f.Fatal(err)
	}
	x := OpenIndex(file, time.Now)
	x.remember(content, info, tree.Blob{Digest: digest.FromString("x"), Size: 1})
	x.rememberDownload("http://host/f", pastDownload{Header: map[string]string{"Etag": "1"}})
	if err := x.Save(); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	data = data[sha256.Size:]
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := sha256.Sum256(data)
		if err := os.WriteFile(file, append(sum[:], data...), 0o600); err != nil {
			t.Fatal(err)
		}
		x := OpenIndex(file, time.Now)
		x.lookup(content, info)
		x.download("http://host/f")
		x.remember(content, info, tree.Blob{Digest: digest.FromString("x"), Size: 1})
		if err := x.Keep(func(b tree.Blob) bool { return b.Size == 1 }); err != nil {
			t.Fatal(err)
		}
		if b, ok := OpenIndex(file, time.Now).lookup(content, info); !ok || b.Size != 1 {
			t.Errorf("the index forgets a file: %v", b)
		}
	})
}
