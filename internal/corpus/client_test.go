package corpus

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"slipway/internal/golden"
)

// solveState solves st with a client for the case c and returns a reference to the result.
func solveState(t *testing.T, c *golden.Case, st llb.State, evaluate bool) (gateway.Reference, error) {
	t.Helper()
	cl, err := NewClient(c, "")
	if err != nil {
		t.Fatal(err)
	}
	def, err := st.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := cl.Solve(t.Context(), gateway.SolveRequest{Definition: def.ToPB(), Evaluate: evaluate})
	if err != nil {
		return nil, err
	}
	return res.SingleRef()
}

// parse returns a case that contains the files of the txtar archive and has a title.
func parse(t *testing.T, archive string) *golden.Case {
	t.Helper()
	c, err := golden.Parse("lex/a", []byte("# t\n"+archive))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tarOf(t *testing.T, name, body string) string {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(body)), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFiles(t *testing.T) {
	c := parse(t, `-- Dockerfile --
FROM a
-- sub/Dockerfile --
-- context/a --
a
-- context/d/b.txt --
b
-- context/d/b.md --
-- context.more/x --
x
-- input.in/y --
y
-- git/z --
z
-- http/https://example.com/f --
f
`)
	c.Files = append(c.Files, golden.File{Name: "http/https://example.com/t.tar", Data: []byte(tarOf(t, "in/tar", "tarred\n"))})
	unpack := &llb.CopyInfo{AttemptUnpack: true}
	tests := []struct {
		name string
		st   llb.State
		want map[string]string
	}{
		{"dockerfile", llb.Local("dockerfile"), map[string]string{"Dockerfile": "FROM a\n", "sub/Dockerfile": ""}},
		{"context", llb.Local("context"), map[string]string{"a": "a\n", "d/b.txt": "b\n", "d/b.md": ""}},
		{"followed", llb.Local("context", llb.FollowPaths([]string{"d/*.txt", "none"})), map[string]string{"d/b.txt": "b\n"}},
		{"followed directory", llb.Local("context", llb.FollowPaths([]string{"d"})), map[string]string{"d/b.txt": "b\n", "d/b.md": ""}},
		{"excluded", llb.Local("context", llb.ExcludePatterns([]string{"d", "!d/b.md"})), map[string]string{"a": "a\n", "d/b.md": ""}},
		{"named", llb.Local("more"), map[string]string{"x": "x\n"}},
		{"input", llb.Local("input.in"), map[string]string{"y": "y\n"}},
		{"git", llb.Git("https://example.com/r.git", ""), map[string]string{"z": "z\n"}},
		{"http", llb.HTTP("https://example.com/f"), map[string]string{"f": "f\n"}},
		{"http name", llb.HTTP("https://example.com/f", llb.Filename("g")), map[string]string{"g": "f\n"}},
		{"unpacked", llb.Scratch().File(llb.Copy(llb.HTTP("https://example.com/t.tar"), "/t.tar", "/", unpack)), map[string]string{"in/tar": "tarred\n"}},
		{"not unpacked", llb.Scratch().File(llb.Copy(llb.HTTP("https://example.com/f"), "/f", "/g/", unpack)), map[string]string{"g/f": "f\n"}},
		{"directory", llb.Scratch().File(llb.Copy(llb.Local("context"), "/d", "/e")).File(llb.Mkfile("/m", 0o644, []byte("m"))), map[string]string{"e/b.txt": "b\n", "e/b.md": "", "m": "m"}},
	}
	for _, tt := range tests {
		ref, err := solveState(t, c, tt.st, true)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		files, err := ref.(*reference).files()
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		got := map[string]string{}
		for name, data := range files {
			got[name] = string(data)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s:\n%s", tt.name, d)
		}
	}
}

func TestReference(t *testing.T) {
	ctx := t.Context()
	c := parse(t, "-- context/d/a --\n0123456789\n-- context/d/e/f --\n-- context/empty --\n")
	ref, err := solveState(t, c, llb.Local("context"), false)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string, r *gateway.FileRange) (string, error) {
		data, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: name, Range: r})
		return string(data), err
	}
	if got, err := read("/d/../d/a", &gateway.FileRange{Offset: 2, Length: 3}); got != "234" || err != nil {
		t.Errorf("range = %q, %v", got, err)
	}
	if got, err := read("d/a", &gateway.FileRange{Length: 100}); got != "0123456789\n" || err != nil {
		t.Errorf("long range = %q, %v", got, err)
	}
	if data, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: "empty"}); data != nil || err != nil {
		t.Errorf("an empty file is %#v, %v; over gRPC it is nil", data, err)
	}
	if _, err := read("none", nil); !errors.Is(err, fs.ErrNotExist) || err.Error() != "open none: no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
	if st, err := ref.StatFile(ctx, gateway.StatRequest{Path: "d/a"}); err != nil || st.Size != 11 || st.IsDir() {
		t.Errorf("stat = %v, %v", st, err)
	}
	if st, err := ref.StatFile(ctx, gateway.StatRequest{Path: "/d"}); err != nil || !st.IsDir() {
		t.Errorf("stat of a directory = %v, %v", st, err)
	}
	entries, err := ref.ReadDir(ctx, gateway.ReadDirRequest{Path: "d"})
	if err != nil || len(entries) != 2 || entries[0].Path != "a" || !entries[1].IsDir() {
		t.Errorf("entries = %v, %v", entries, err)
	}
}

func TestSolveErrors(t *testing.T) {
	c := parse(t, "caps: -mergeop\n")
	merged := llb.Merge([]llb.State{llb.Image("a"), llb.Image("b")})
	if _, err := solveState(t, c, merged, false); err == nil || !strings.Contains(err.Error(), "mergeop") {
		t.Errorf("operation without its capability: %v", err)
	}
	for name, st := range map[string]llb.State{
		"local": llb.Local("none"), "http": llb.HTTP("https://example.com/x"), "git": llb.Git("https://example.com/r.git", ""),
		"image": llb.Image("alpine"), "exec": llb.Image("alpine").Run(llb.Shlex("true")).Root(),
	} {
		ref, err := solveState(t, c, st, false)
		if err != nil {
			t.Errorf("%s: %v before anything is read", name, err)
			continue
		}
		if err := ref.Evaluate(t.Context()); err == nil {
			t.Errorf("%s: reading it succeeds", name)
		}
		if _, err := solveState(t, c, st, true); err == nil {
			t.Errorf("%s: evaluating it succeeds", name)
		}
	}
	if ref, err := solveState(t, c, llb.Scratch(), true); ref != nil || err != nil {
		t.Errorf("scratch is %v, %v", ref, err)
	}
}

func TestMetadata(t *testing.T) {
	c := parse(t, `last-modified: https://example.com/f 2024-01-02T03:04:05Z
-- git.commit --
commit
-- http/https://example.com/f --
f
`)
	cl, err := NewClient(c, "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	resolve := func(id string) (*sourceresolver.MetaResponse, error) {
		return cl.ResolveSourceMetadata(context.Background(), &pb.SourceOp{Identifier: id}, sourceresolver.Opt{LogName: "log"})
	}
	if m, err := resolve("git://example.com/r.git"); err != nil || string(m.Git.CommitObject) != "commit\n" {
		t.Errorf("git: %v, %v", m, err)
	}
	if m, err := resolve("https://example.com/f"); err != nil || m.HTTP.LastModified.Unix() != 1704164645 {
		t.Errorf("http: %v, %v", m, err)
	}
	if _, err := resolve("https://example.com/none"); err == nil {
		t.Error("http: a missing file is found")
	}
	_, _, _, err = cl.ResolveImageConfig(t.Context(), "nosuch", sourceresolver.Opt{LogName: "log"})
	want := "failed to resolve source metadata for docker.io/library/nosuch: docker.io/library/nosuch:latest: not found"
	if err == nil || err.Error() != want || !errors.Is(err, cerrdefs.ErrNotFound) {
		t.Errorf("unknown image: %v, want %s", err, want)
	}
	if got := cl.BuildOpts().Opts["platform"]; got != "linux/arm64" {
		t.Errorf("platform %q", got)
	}
	if len(cl.record.Requests) != 4 {
		t.Errorf("recorded %q", cl.record.Requests)
	}
}
