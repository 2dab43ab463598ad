package llbsource

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/fakegit"
	"slipway/internal/testtree"
	"slipway/solver/registry"
	"slipway/solver/tree"
)

var (
	committed = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	built     = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func newSources(t *testing.T) *Sources {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Sources{Store: store, HTTP: http.DefaultClient, Registry: registry.New(registry.Options{}), Temp: t.TempDir(), Now: func() time.Time { return built }}
}

// gitOp returns the source operation that client/llb creates for a repository. The
// parameter attrs contains attribute names, each followed by its value.
func gitOp(url, fragment string, attrs ...string) *pb.SourceOp {
	_, id, _ := strings.Cut(url, "://")
	if _, host, ok := strings.Cut(id, "@"); ok {
		id = host
	}
	op := &pb.SourceOp{Identifier: "git://" + id + fragment, Attrs: map[string]string{
		pb.AttrFullRemoteURL: url, pb.AttrAuthHeaderSecret: "GIT_AUTH_HEADER", pb.AttrAuthTokenSecret: "GIT_AUTH_TOKEN",
	}}
	for i := 0; i < len(attrs); i += 2 {
		op.Attrs[attrs[i]] = attrs[i+1]
	}
	return op
}

// list returns one line for each file below the directory n: the path, the file type, the
// mode, and the content or link target. The parameter at is a prefix for the paths: "" or
// a directory followed by a slash.
func list(t *testing.T, s *Sources, n *tree.Node, at string) []string {
	t.Helper()
	var out []string
	for _, e := range testtree.Must(n.Entries()) {
		name := at + e.Name
		line := fmt.Sprintf("%s %v %o", name, e.Node.Kind(), e.Node.Meta().Mode)
		switch e.Node.Kind() {
		case tree.Dir:
			out = append(out, line)
			out = append(out, list(t, s, e.Node, name+"/")...)
			continue
		case tree.Symlink:
			line += " " + e.Node.Target()
		default:
			f, err := s.Store.Open(e.Node.Blob())
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, e.Node.Blob().Size)
			if _, err := f.Read(data); err != nil && len(data) > 0 {
				t.Fatal(err)
			}
			f.Close()
			line += " " + string(data)
		}
		out = append(out, line)
	}
	return out
}

func fetched(t *testing.T, s *Sources, op *pb.SourceOp) ([]string, *tree.Node) {
	t.Helper()
	src, err := s.Open(t.Context(), op, nil)
	if err != nil {
		t.Fatalf("%s: %v", op.Identifier, err)
	}
	snap, err := src.Fetch(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", op.Identifier, err)
	}
	root := testtree.Of(snap)
	return list(t, s, root, ""), root
}

func one(data string) map[string]fakegit.File { return map[string]fakegit.File{"f": {Data: data}} }

// TestGitFiles checks that a checkout preserves the kinds and modes of files, and that
// the modification time is the time of the checkout or, on request, of the commit. The
// checkout of a subdirectory must contain only the files of this subdirectory.
func TestGitFiles(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/a/b.git")
	r.Commit("refs/heads/main", committed, map[string]fakegit.File{
		"text": {Data: "t"}, "run": {Mode: filemode.Executable, Data: "r"}, "dir/sub/x": {Data: "x"}, "dir/y": {Data: ""},
		"link": {Mode: filemode.Symlink, Data: "../up"}, "old": {Mode: filemode.Deprecated, Data: "o"},
	})
	got, root := fetched(t, s, gitOp(r.URL, ""))
	want := []string{"dir directory 755", "dir/sub directory 755", "dir/sub/x file 644 x", "dir/y file 644 ", "link symbolic link 777 ../up", "old file 644 o", "run file 755 r", "text file 644 t"}
	if !slices.Equal(got, want) {
		t.Errorf("files\n%q, want\n%q", got, want)
	}
	if at := testtree.Must(root.Child("text")).Meta().ModTime; !at.Equal(built) {
		t.Errorf("time %v, want the time of the checkout", at)
	}
	got, root = fetched(t, s, gitOp(r.URL, "#main:dir/sub", pb.AttrGitMTime, "commit", pb.AttrKeepGitDir, "true"))
	if !slices.Equal(got, []string{"x file 644 x"}) {
		t.Errorf("files of the directory %q", got)
	}
	if at := testtree.Must(root.Child("x")).Meta().ModTime; !at.Equal(committed) || !root.Meta().ModTime.Equal(committed) {
		t.Errorf("time %v, want the time of the commit", at)
	}
}

// TestGitRefs checks that branches, tags, full ref names and hashes resolve to the right
// commits. The error for an unknown ref must suggest a ref with a similar name, if any.
func TestGitRefs(t *testing.T) {
	r := fakegit.Start(t).Repository(t, "/r.git")
	old := r.Commit("refs/heads/main", committed, one("old"))
	r.Commit("refs/pull/1/head", committed, one("pull"))
	tagged := r.Commit("refs/tags/v1", committed, one("v1"))
	r.Commit("refs/heads/both", committed, one("branch"))
	r.Commit("refs/tags/both", committed, one("tag"))
	note := r.Tag("noted", tagged)
	r.Commit("refs/heads/main", committed, one("main"))
	for _, tc := range []struct {
		fragment, checksum string
		want               string // content, or the error
	}{
		{"", "", "main"},
		{"#main", "", "main"},
		{"#v1", tagged[:7], "v1"},
		{"#refs/tags/v1", "", "v1"},
		{"#noted", tagged, "v1"},
		{"#noted", note, "v1"},
		{"#" + note, "", "v1"},
		{"#both", "", "branch"},
		{"#tags/both", "", "tag"},
		{"#pull/1/head", "", "pull"},
		{"#" + tagged, "", "v1"},
		{"#" + tagged, tagged[:9], "v1"},
		{"#none", "", "repository does not contain ref none (did you mean noted?)"},
		{"#nothing-like-it", "", "repository does not contain ref nothing-like-it"},
		{"#mian1", "", "repository does not contain ref mian1"},
		{"#mains", "", "repository does not contain ref mains (did you mean main?)"},
		{"#MAIN", "", "repository does not contain ref MAIN (did you mean main?)"},
		{"#1", "", "repository does not contain ref 1 (did you mean v1?)"},
		{"#-x", "", `invalid git ref "-x"`},
		{"#main", "123", "expected checksum to match 123, got "},
		{"#noted", "123", "expected checksum to match 123, got " + note + " or " + tagged},
		{"#" + tagged, old, "expected checksum to match " + old + ", got " + tagged},
		{"#main", "xyz", "invalid checksum xyz for Git URL, expected hex commit hash"},
		{"#" + old, "", "has no commit " + old},
		{"#main:no", "", `invalid subdir no: "no" does not exist`},
		{"#main:f/x", "", `contains non-directory "f"`},
	} {
		s := newSources(t)
		op := gitOp(r.URL, tc.fragment)
		if tc.checksum != "" {
			op.Attrs[pb.AttrGitChecksum] = tc.checksum
		}
		src, err := s.Open(t.Context(), op, nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err != nil {
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "did you mean") && !strings.Contains(tc.want, "did you mean") {
				t.Errorf("%s %s: error %v, want %s", tc.fragment, tc.checksum, err, tc.want)
			}
			continue
		}
		if got, _ := fetched(t, s, op); !slices.Equal(got, []string{"f file 644 " + tc.want}) {
			t.Errorf("%s %s: files %q, want %s", tc.fragment, tc.checksum, got, tc.want)
		}
	}
}

// TestGitMovedRef checks that a ref has the same commit during a build, even if it moves and a later
// source has other attributes, unless the checksum of this source requires the new commit.
func TestGitMovedRef(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	old := r.Commit("refs/heads/main", committed, one("old"))
	if md, err := s.ResolveGit(t.Context(), gitOp(r.URL, "#main"), false); err != nil || md.Object != old {
		t.Fatalf("metadata %+v, %v, want %s", md, err, old)
	}
	r.Ref("refs/heads/old", old) // servers need not send commits without a ref
	moved := r.Commit("refs/heads/main", committed, one("new"))
	if got, _ := fetched(t, s, gitOp(r.URL, "#main", pb.AttrGitSkipSubmodules, "true")); !slices.Equal(got, []string{"f file 644 old"}) {
		t.Errorf("files %q, want those of the first commit", got)
	}
	if got, _ := fetched(t, s, gitOp(r.URL, "#main", pb.AttrGitChecksum, moved)); !slices.Equal(got, []string{"f file 644 new"}) {
		t.Errorf("files %q, want those of the commit with the checksum", got)
	}
}

// TestGitByCommit checks that fetch-by-commit fetches the commit of the checksum, even if
// the ref does not exist.
func TestGitByCommit(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	commit := r.Commit("refs/heads/main", committed, one("x"))
	got, _ := fetched(t, s, gitOp(r.URL, "#nowhere", pb.AttrGitFetchByCommit, "true", pb.AttrGitChecksum, commit))
	if !slices.Equal(got, []string{"f file 644 x"}) {
		t.Errorf("files %q", got)
	}
	for sum, want := range map[string]string{"": "requires a checksum", commit[:9]: "requires a full commit SHA"} {
		op := gitOp(r.URL, "#nowhere", pb.AttrGitFetchByCommit, "true", pb.AttrGitChecksum, sum)
		if _, err := s.Open(t.Context(), op, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", sum, err, want)
		}
	}
}

// TestGitSubmodules checks that submodules with absolute and relative URLs are fetched,
// unless they are outside the selected subdirectory.
func TestGitSubmodules(t *testing.T) {
	s := newSources(t)
	server := fakegit.Start(t)
	inner, middle, outer := server.Repository(t, "/x/inner.git"), server.Repository(t, "/x/middle.git"), server.Repository(t, "/outer.git")
	in := inner.Commit("refs/heads/main", committed, one("inner"))
	mid := middle.Commit("refs/heads/main", committed, map[string]fakegit.File{
		".gitmodules": {Data: "[submodule \"i\"]\n\tpath = deep/i\n\turl = ../inner.git\n"},
		"deep/i":      {Mode: filemode.Submodule, Data: in},
	})
	modules := fakegit.File{Data: "[submodule \"m\"]\n\tpath = m\n\turl = " + middle.URL + "\n[submodule \"bad\"]\n\tpath = bad\n\turl = file:///etc\n"}
	outer.Commit("refs/heads/main", committed, map[string]fakegit.File{".gitmodules": modules, "m": {Mode: filemode.Submodule, Data: mid}})
	got, _ := fetched(t, s, gitOp(outer.URL, "#main:m/deep"))
	if !slices.Equal(got, []string{"i directory 755", "i/f file 644 inner"}) {
		t.Errorf("files %q", got)
	}
	got, _ = fetched(t, s, gitOp(outer.URL, "#main:m", pb.AttrGitSkipSubmodules, "true"))
	if len(got) != 0 {
		t.Errorf("files without submodules %q", got)
	}
	outer.Commit("refs/heads/bad", committed, map[string]fakegit.File{".gitmodules": modules, "bad": {Mode: filemode.Submodule, Data: mid}})
	outer.Commit("refs/heads/lost", committed, map[string]fakegit.File{".gitmodules": modules, "lost": {Mode: filemode.Submodule, Data: mid}})
	for ref, want := range map[string]string{"bad": `submodule "bad": git over file:// is not allowed`, "lost": `submodule "lost": no URL found in .gitmodules`} {
		src, err := s.Open(t.Context(), gitOp(outer.URL, "#"+ref), nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", ref, err, want)
		}
	}
}

// TestGitRefused checks that a git source fails if the repository has unsafe file names,
// or if the operation has unsupported attributes.
func TestGitRefused(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	for i, name := range []string{".git", "d/.GIT", "..", "d/."} {
		r.Commit(fmt.Sprintf("refs/heads/%d", i), committed, map[string]fakegit.File{name: {Data: "x"}})
		src, err := s.Open(t.Context(), gitOp(r.URL, fmt.Sprintf("#%d", i)), nil)
		if err == nil {
			_, err = src.Fetch(t.Context())
		}
		if err == nil {
			t.Errorf("a file %q was accepted", name)
		}
	}
	for _, tc := range []struct {
		op   *pb.SourceOp
		want string
	}{
		{gitOp(r.URL, "", pb.AttrFullRemoteURL, "http://other/r.git"), "git.fullurl does not match source identifier"},
		{gitOp(r.URL, "", pb.AttrFullRemoteURL, "file:///r.git"), "git over file:// is not allowed"},
		{gitOp("ssh://git@localhost/x.git", "", pb.AttrMountSSHSock, "default"), `no SSH key "default" forwarded from the client`},
		{gitOp(strings.TrimSuffix(r.URL, "r.git")+"none.git", ""), "none.git: "},
	} {
		if _, err := s.Open(t.Context(), tc.op, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", tc.op.Identifier, err, tc.want)
		}
	}
}

// TestGitAttributes checks that files are converted as git does, and that an error names the file if
// the machine has no git program.
func TestGitAttributes(t *testing.T) {
	s := newSources(t)
	r := fakegit.Start(t).Repository(t, "/r.git")
	for i, tc := range []struct {
		attributes, name, data string
		want                   string // converted content; "" is data
	}{
		{"*.bat eol=crlf", "d/x.bat", "a\n", "a\r\n"},
		{"*.bat eol=crlf", "d/x.bat", "a\r\n", ""},
		{"*.bat eol=crlf", "d/x.sh", "a\n", ""},
		{"*.png text=auto eol=crlf", "x.png", "\x00\n", ""},
		{"* text=auto", "x", "a\n", ""},
		{"*.lfs filter=lfs diff=lfs -text", "x.lfs", "version\n", ""},
		{"# *.bat eol=crlf", "x.bat", "a\n", ""},
		{"*.c ident", "x.c", "/* $Id$ */", "/* $Id: 7085d557c8bf8c546fea99c4092c5f6bef5fad6f $ */"},
		{"*.c ident", "x.c", "int x;", ""},
		{"d/*.txt working-tree-encoding=UTF-16", "d/x.txt", "a", "\xff\xfea\x00"},
		{"[attr]dos eol=crlf\n*.ini dos", "x.ini", "a\n", "a\r\n"},
	} {
		ref := fmt.Sprint("case", i)
		r.Commit("refs/heads/"+ref, committed, map[string]fakegit.File{".gitattributes": {Data: tc.attributes + "\n"}, tc.name: {Data: tc.data}})
		got, _ := fetched(t, s, gitOp(r.URL, "#"+ref))
		if want := tc.name + " file 644 " + cmp.Or(tc.want, tc.data); !slices.Contains(got, want) {
			t.Errorf("%s: got files %q, want %q", tc.attributes, got, want)
		}
	}
	if left, err := os.ReadDir(s.Temp); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v in the directory for temporary files", left, err)
	}
	t.Setenv("PATH", t.TempDir())
	src, err := newSources(t).Open(t.Context(), gitOp(r.URL, "#case0"), nil)
	if err == nil {
		_, err = src.Fetch(t.Context())
	}
	if want := `file "d/x.bat" has the attribute eol=crlf in .gitattributes: converting files requires the git program`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestGitSecrets checks that a secret for a host takes precedence over a secret for all
// hosts.
func TestGitSecrets(t *testing.T) {
	server := fakegit.Start(t)
	r := server.Repository(t, "/r.git")
	r.Commit("refs/heads/main", committed, one("x"))
	host := strings.TrimPrefix(server.URL, "http://")
	for _, tc := range []struct {
		secrets map[string][]byte
		want    string
	}{
		{map[string][]byte{"GIT_AUTH_TOKEN": []byte("tok")}, "basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:tok"))},
		{map[string][]byte{"GIT_AUTH_TOKEN." + host: []byte("a"), "GIT_AUTH_HEADER": []byte("b")}, "basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:a"))},
		{map[string][]byte{"GIT_AUTH_HEADER": []byte("plain"), "GIT_AUTH_TOKEN": []byte("tok")}, "plain"},
	} {
		s := newSources(t)
		server.Auth, s.Secrets = tc.want, tc.secrets
		fetched(t, s, gitOp(r.URL, ""))
		s = newSources(t)
		if _, err := s.Open(t.Context(), gitOp(r.URL, ""), nil); err == nil {
			t.Error("a private repository was opened without a secret")
		}
	}
}

// TestGitOnce checks that a repository is fetched once per build, and not at all if the
// commit is cached.
func TestGitOnce(t *testing.T) {
	s := newSources(t)
	server := fakegit.Start(t)
	r := server.Repository(t, "/r.git")
	commit := r.Commit("refs/heads/main", committed, one("x"))
	note := r.Tag("note", commit)
	md, err := s.ResolveGit(t.Context(), gitOp(r.URL, "#note"), false)
	if err != nil || md.Ref != "refs/tags/note" || md.Object != note || md.Commit != commit || md.CommitObject != nil || server.Fetches() != 0 {
		t.Errorf("metadata %+v, %v, %d fetches", md, err, server.Fetches())
	}
	md, err = s.ResolveGit(t.Context(), gitOp(r.URL, "#note"), true)
	if err != nil || !strings.Contains(string(md.CommitObject), "committer tester <tester@example.com> 1577934245 +0000\n") || !strings.HasPrefix(string(md.TagObject), "object "+commit) {
		t.Errorf("metadata %+v, %v", md, err)
	}
	fetched(t, s, gitOp(r.URL, "#note"))
	if server.Fetches() != 1 {
		t.Errorf("%d fetches", server.Fetches())
	}
	a, err := s.Open(t.Context(), gitOp(r.URL, "#note"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newSources(t).Open(t.Context(), gitOp("http://unreachable.invalid/r.git", "#"+commit), nil)
	if err != nil || a.Digest() != b.Digest() {
		t.Errorf("the same commit has two digests, %v", err)
	}
}
