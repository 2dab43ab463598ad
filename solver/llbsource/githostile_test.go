package llbsource

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/connserver"
	"slipway/internal/fakegit"
	"slipway/internal/slowtest"
	"slipway/solver/tree"
)

// refusedGit fails the test unless opening a git source returns a one-line error that contains
// the text want.
func refusedGit(t *testing.T, about string, s *Sources, op *pb.SourceOp, want string) {
	t.Helper()
	src, err := s.Open(t.Context(), op, nil)
	if err == nil {
		_, err = src.Fetch(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: error %v, want %s", about, err, want)
	}
}

// TestHostileGitNames checks that a checkout with an invalid file name returns a one-line
// error, even if a .gitattributes file applies to the directory.
func TestHostileGitNames(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	rules := r.Object(plumbing.BlobObject, []byte("* ident\n"))
	for i, name := range []string{"/x", "/", "x/y", "//", ".", "..", ".GiT"} {
		ref := fmt.Sprint(i)
		r.CommitTree("refs/heads/"+ref, object.TreeEntry{Name: ".gitattributes", Mode: filemode.Regular, Hash: rules},
			object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: rules})
		refusedGit(t, name, newSources(t), gitOp(r.URL, "#"+ref), fmt.Sprintf("invalid path %q", "/"+name))
	}
}

// TestHostileGitSize checks that a checkout that exceeds the limits fails. Even a
// repository with few objects can exceed them, because many files can have the same object
// as their content.
func TestHostileGitSize(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	file := r.Object(plumbing.BlobObject, []byte("0123456789"))
	entries := func(kind filemode.FileMode, of plumbing.Hash) (list []object.TreeEntry) {
		for i := range 10 {
			list = append(list, object.TreeEntry{Name: fmt.Sprint(i), Mode: kind, Hash: of})
		}
		return list
	}
	below := r.Object(plumbing.TreeObject, fakegit.TreeData(entries(filemode.Regular, file)...))
	for range 8 {
		below = r.Object(plumbing.TreeObject, fakegit.TreeData(entries(filemode.Dir, below)...))
	}
	r.CommitTree("refs/heads/bomb", entries(filemode.Dir, below)...) // 10^10 files
	r.CommitTree("refs/heads/main", entries(filemode.Regular, file)...)
	r.CommitTree("refs/heads/links", entries(filemode.Symlink, file)...)
	for _, tc := range []struct {
		ref    string
		limits tree.Limits
		want   string // the error; "" is success
	}{
		{"main", tree.Limits{Files: 10, Names: 10, Bytes: 100}, ""},
		{"main", tree.Limits{Files: 9}, "the repository has too many files"},
		{"main", tree.Limits{Names: 9}, "the repository has too long names and links"},
		{"links", tree.Limits{Names: 110}, ""},
		{"links", tree.Limits{Names: 109}, "the repository has too long names and links"},
		{"main", tree.Limits{Bytes: 99}, "the repository is too large"},
		{"bomb", tree.Limits{Files: 10_000}, "the repository has too many files"},
	} {
		s := newSources(t)
		s.Limits = tc.limits
		if tc.want == "" {
			fetched(t, s, gitOp(r.URL, "#"+tc.ref))
			continue
		}
		refusedGit(t, tc.ref, s, gitOp(r.URL, "#"+tc.ref), tc.want)
	}
}

// TestHostileSubmodules checks that a commit is fetched once even if several submodules
// refer to it, but that its files count towards the limits of the checkout once per
// submodule. It also checks that the number of submodules is limited.
func TestHostileSubmodules(t *testing.T) {
	slowtest.Skip(t, "reaches the limits of submodules")
	server := fakegit.Start(t)
	lowest := server.Repository(t, "/0.git")
	commit := lowest.Commit("refs/heads/main", committed, one("x"))
	for i := range maxModuleDepth + 1 {
		r := server.Repository(t, fmt.Sprintf("/%d.git", i+1))
		modules := fmt.Sprintf("[submodule \"a\"]\n\tpath = a\n\turl = ../%d.git\n[submodule \"b\"]\n\tpath = b\n\turl = ../%[1]d.git\n", i)
		module := fakegit.File{Mode: filemode.Submodule, Data: commit}
		commit = r.Commit("refs/heads/main", committed, map[string]fakegit.File{".gitmodules": {Data: modules}, "a": module, "b": module})
	}
	fetched(t, newSources(t), gitOp(server.URL+"/8.git", ""))
	if got := server.Fetches(); got != 9 {
		t.Errorf("%d fetches of 9 commits", got)
	}
	s := newSources(t)
	s.Limits.Files = 1<<9 + 1<<8 + 1 // enough for the files named f, but not for all files
	refusedGit(t, "doubled", s, gitOp(server.URL+"/8.git", ""), "the repository has too many files")
	s = newSources(t)
	refusedGit(t, "doubled often", s, gitOp(server.URL+"/30.git", ""), fmt.Sprintf("the repository has more than %d submodules", maxSubmodules))
	refusedGit(t, "deep", s, gitOp(fmt.Sprintf("%s/%d.git", server.URL, maxModuleDepth+1), ""), fmt.Sprintf("submodules are nested more than %d deep", maxModuleDepth))
}

// TestHostileRules checks that the work of matching files against .gitattributes patterns is
// limited, and that lines longer than git's limit are ignored.
func TestHostileRules(t *testing.T) {
	left := gitBudget{steps: 3 * 2 * 3} // matches "xx" with "aaa" three times
	m := &gitModule{r: &gitReader{left: left}, rules: map[string][]gitRule{"": {{"aaa", "ident"}, {"bbb", "ident"}}}}
	if _, err := m.conversion("d/xx", &gitFile{}); err != nil {
		t.Error(err)
	}
	if _, err := m.conversion("d/xx", &gitFile{}); err == nil || !strings.Contains(err.Error(), "too many rules") {
		t.Errorf("error %v", err)
	}
	const rest = " ident"
	longest := strings.Repeat("a", maxRuleLine-len(rest)) + rest
	if got := parseRules(longest + "\n" + longest); len(got) != 2 {
		t.Errorf("%d rules of two lines of the longest length", len(got))
	}
	if got := parseRules("a" + longest + "\nb" + longest); len(got) > 0 {
		t.Errorf("%d rules of lines that are too long", len(got))
	}
}

// TestHostileObjects checks that a checkout fails if a commit, tag or directory is too
// large to hold in memory. It also checks that the entries of a directory count towards
// the file limit before its subdirectories are read.
func TestHostileObjects(t *testing.T) {
	slowtest.Skip(t, "reaches the limits of Git objects")
	blob := plumbing.ComputeHash(plumbing.BlobObject, []byte("x"))
	entry := string(fakegit.TreeData(object.TreeEntry{Name: "a", Mode: filemode.Regular, Hash: blob}))
	commit := func(tree, message string) string {
		of := plumbing.ComputeHash(plumbing.TreeObject, []byte(tree))
		return "tree " + of.String() + "\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\n" + message
	}
	tag := func(of, message string) string {
		return "object " + plumbing.ComputeHash(plumbing.CommitObject, []byte(of)).String() +
			"\ntype commit\ntag v\ntagger a <a> 0 +0000\n\n" + message
	}
	large := strings.Repeat(entry, maxGitTree/len(entry)+1)
	below := string(fakegit.TreeData(object.TreeEntry{Name: "d", Mode: filemode.Dir, Hash: plumbing.ComputeHash(plumbing.TreeObject, []byte(large))}))
	for about, tc := range map[string]struct {
		tree, commit, tag string // objects in git's format; "" for none
		files             int
		want              string
	}{
		"message of a commit": {commit: commit(entry, strings.Repeat("m", maxGitText)), want: "has more than 1048576 bytes"},
		"message of a tag":    {commit: commit(entry, ""), tag: tag(commit(entry, ""), strings.Repeat("m", maxGitText)), want: "has more than 1048576 bytes"},
		"directory":           {tree: large, commit: commit(large, ""), want: "has more than 33554432 bytes"},
		"directory below":     {tree: below, commit: commit(below, ""), want: "has more than 33554432 bytes"},
		"entries":             {tree: strings.Repeat(below, 9), commit: commit(strings.Repeat(below, 9), ""), files: 8, want: "the repository has too many files"},
	} {
		b := &packBuilder{t: t}
		for _, tree := range []string{entry, large, tc.tree} {
			b.add(plumbing.TreeObject, "", tree)
		}
		b.add(plumbing.BlobObject, "", "x")
		b.add(plumbing.CommitObject, "", tc.commit)
		of := plumbing.ComputeHash(plumbing.CommitObject, []byte(tc.commit))
		if tc.tag != "" {
			b.add(plumbing.TagObject, "", tc.tag)
			of = plumbing.ComputeHash(plumbing.TagObject, []byte(tc.tag))
		}
		pack, err := io.ReadAll(b.pack())
		if err != nil {
			t.Fatal(err)
		}
		s := newSources(t)
		s.Limits.Files = tc.files
		refusedGit(t, about, s, gitOp(servePack(t, string(pack)), "#"+of.String()), tc.want)
	}
}

// countedReader is a reader of text that counts the bytes it returns.
type countedReader struct {
	text string
	read int
}

// Read implements [io.Reader].
func (c *countedReader) Read(p []byte) (int, error) {
	n := copy(p, c.text)
	c.read += n
	if n == 0 {
		return 0, io.EOF
	}
	c.text = c.text[n:]
	return n, nil
}

// TestScanText checks that scanText finds line endings and $Id anywhere in a text, and
// reads a binary file only up to its first NUL byte.
func TestScanText(t *testing.T) {
	const chunk = 64 << 10
	fill := strings.Repeat("x", chunk)
	for about, tc := range map[string]struct {
		text string
		want gitText
		read int // bytes read; 0 means the whole text
	}{
		"empty":              {"", gitText{}, 0},
		"marks":              {"a $Id$ \n", gitText{ident: true, unixLines: true}, 0},
		"two dollars":        {"$$Id", gitText{ident: true}, 0},
		"no mark":            {"$I$ d\r\n", gitText{}, 0},
		"mark across chunks": {fill[1:] + "$Id", gitText{ident: true}, 0},
		"line across chunks": {fill[1:] + "\r\n", gitText{}, 0},
		"line in a chunk":    {fill + "\n", gitText{unixLines: true}, 0},
		"mixed lines":        {"a\r\nb\n", gitText{unixLines: true}, 0},
		"binary":             {"\x00" + strings.Repeat("x", 10*chunk), gitText{binary: true}, chunk},
		"binary at its end":  {fill + "\n\x00", gitText{binary: true, unixLines: true}, 0},
	} {
		r := &countedReader{text: tc.text}
		got, err := scanText(r)
		if want := max(tc.read, min(len(tc.text), chunk)); err != nil || got != tc.want || tc.read > 0 && r.read != want {
			t.Errorf("%s: %+v, %v, %d bytes read, want %+v", about, got, err, r.read, tc.want)
		}
	}
	if _, err := scanText(io.MultiReader(strings.NewReader("x"), failing{})); err == nil {
		t.Error("a file that cannot be read is a text")
	}
}

type failing struct{}

// Read implements [io.Reader].
func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// servePack starts a git server whose responses contain the given pack, and returns its
// URL.
func servePack(t *testing.T, pack string) string {
	r := fakegit.Start(t).Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, one("x"))
	return "git://" + connserver.Serve(t, "tcp", "127.0.0.1:0", func(c net.Conn) {
		daemonRequest(c)
		_ = r.ServeUploadPack(context.Background(), struct {
			io.Reader
			io.Writer
		}{strings.NewReader(""), c}) // only the list of refs
		asked := pktline.NewScanner(c)
		for asked.Scan() && string(asked.Bytes()) != "done\n" {
		}
		_, _ = io.WriteString(c, "0008NAK\n"+pack)
	}) + "/r.git"
}

func zlibbed(t testing.TB, data string) string {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := io.WriteString(w, data)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHostilePacks fetches malformed packs. Each fetch must return a one-line error that names
// the problem.
func TestHostilePacks(t *testing.T) {
	pack := func(objects uint32, rest string) string {
		return string(binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), objects)) + rest
	}
	sizes := func(from, to uint64) string { return string(binary.AppendUvarint(binary.AppendUvarint(nil, from), to)) }
	byHash := func(delta string) string {
		return packedHeader(plumbing.REFDeltaObject, int64(len(delta))) + strings.Repeat("b", 20) + zlibbed(t, delta)
	}
	const mostDelta = (maxPackMemory - packCache) / 5
	for about, tc := range map[string]struct{ pack, want string }{
		"2^32-1 objects":          {pack(1<<32-1, ""), "the pack claims to have 4294967295 objects, more than 12582912"},
		"one too many objects":    {pack(maxPackObjects+1, ""), "the pack claims to have 12582913 objects"},
		"large object":            {pack(1, packedHeader(plumbing.BlobObject, maxGitObject+1)), "the pack has an object of more than 1073741824 bytes"},
		"large by a delta":        {pack(1, byHash(sizes(1, maxGitObject+1))), "the pack has an object of more than 1073741824 bytes"},
		"delta of a large object": {pack(1, byHash(sizes(maxGitObject+1, 1))), "the pack has an object of more than 1073741824 bytes"},
		"too large for memory": {
			pack(1, byHash(sizes(1, mostDelta))),
			fmt.Sprintf("the pack needs too much memory: it has 1 objects, and deltas of objects of up to %d bytes", mostDelta),
		},
		"large enough":     {pack(1, byHash(sizes(1, mostDelta-namedObjectSize))), "malformed PACK file"},
		"delta of nothing": {pack(1, byHash("")) + "12345678901234567890", "checksum mismatch"},
		"missing objects":  {pack(1000, ""), "malformed PACK file"},
		"short object":     {pack(1, packedHeader(plumbing.BlobObject, 2)+zlibbed(t, "x")), "malformed PACK file: an object has 1 bytes, and claims to have 2"},
		"no pack":          {"x", "malformed PACK file"},
		"nothing":          {"", "empty"},
	} {
		refusedGit(t, about, newSources(t), gitOp(servePack(t, tc.pack), ""), tc.want)
	}
}
