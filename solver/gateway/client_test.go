package gateway_test

import (
	"crypto/sha512"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/distribution/reference"
	"github.com/google/go-cmp/cmp"
	cacheutil "github.com/moby/buildkit/cache/util"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/protobuf/testing/protocmp"

	"slipway/frontend"
	"slipway/solver/gateway"
	"slipway/solver/images"
	"slipway/solver/llbsource"
)

// TestFiles checks that reading the files in a reference returns the same results and
// errors as BuildKit's gateway returns for the same files on disk.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	run := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run(os.MkdirAll(filepath.Join(dir, "d/sub/deep"), 0o755))
	for name, size := range map[string]int{"d/a.go": 3, "d/b.txt": 10, "d/sub/c.go": 1, "d/sub/deep/d.go": 2, "empty": 0, "large": 16<<20 + 2} {
		run(os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", size)), 0o640))
	}
	for name, to := range map[string]string{"d/link": "sub/c.go", "abs": "/d/b.txt", "out": "../../d", "dangling": "nowhere", "loop": "loop", "dir": "d"} {
		run(os.Symlink(to, filepath.Join(dir, name)))
	}
	run(os.Link(filepath.Join(dir, "d/a.go"), filepath.Join(dir, "d/hard.go")))

	m := newTestSolver(t)
	ref := solve(t, m.client(dir, nil), llb.Local("context"))
	ctx := t.Context()
	same := func(what string, ours any, ourErr error, theirs any, theirErr error) {
		t.Helper()
		errorText := func(err error) string {
			if err == nil {
				return ""
			}
			if text, _, listing := strings.Cut(what, " "); listing && text == "list" {
				// BuildKit's error has its path on disk, our error the requested path.
				for _, errno := range []error{fs.ErrNotExist, syscall.ENOTDIR} {
					if errors.Is(err, errno) {
						return errno.Error()
					}
				}
			}
			if strings.HasSuffix(err.Error(), "too many levels of symbolic links") {
				return "too many links"
			}
			return strings.ReplaceAll(err.Error(), dir+"/", "") // BuildKit's error has its path on disk
		}
		if errorText(ourErr) != errorText(theirErr) {
			t.Errorf("%s: error (-BuildKit +ours)\n- %s\n+ %s", what, errorText(theirErr), errorText(ourErr))
			return
		}
		if diff := cmp.Diff(theirs, ours, protocmp.Transform(), protocmp.IgnoreFields(&fstypes.Stat{}, "uid", "gid", "modTime")); theirErr == nil && diff != "" {
			t.Errorf("%s: (-BuildKit +ours)\n%s", what, diff)
		}
	}
	paths := []string{"d/a.go", "/d/b.txt", "d", "d/link", "abs", "out/a.go", "dangling", "loop", "gone", "d/a.go/x", "dir/sub", "empty", "large", "d/../empty", "../d/b.txt"}
	for _, name := range paths {
		st, err := ref.StatFile(ctx, client.StatRequest{Path: name})
		theirs, theirErr := cacheutil.StatFile(ctx, dir, name)
		same("stat "+name, st, err, theirs, theirErr)
		for _, r := range []*client.FileRange{nil, {}, {Offset: 1, Length: 2}, {Offset: 100, Length: 5}, {Offset: 1, Length: 1 << 30}, {Offset: -1}, {Length: 16<<20 + 1}} {
			req := cacheutil.ReadRequest{Filename: name}
			if r != nil {
				req.Range = &cacheutil.FileRange{Offset: r.Offset, Length: r.Length}
			}
			data, err := ref.ReadFile(ctx, client.ReadRequest{Filename: name, Range: r})
			theirs, theirErr := cacheutil.ReadFile(ctx, dir, req, 16<<20)
			same(fmt.Sprintf("read %s %v", name, r), len(data), err, len(theirs), theirErr)
		}
		for _, pattern := range []string{"", "*", "*.go", "sub", "sub/*", "**/*.go", "sub/deep", "!*.go", "[", "a.go"} {
			list, err := ref.ReadDir(ctx, client.ReadDirRequest{Path: name, IncludePattern: pattern})
			theirs, theirErr := cacheutil.ReadDir(ctx, dir, cacheutil.ReadDirRequest{Path: name, IncludePattern: pattern})
			same(fmt.Sprintf("list %s %s", name, pattern), list, err, theirs, theirErr)
		}
	}
}

// TestSolve checks that Solve rejects invalid requests, and that an operation fails when
// it is evaluated, not when it is loaded.
func TestSolve(t *testing.T) {
	m := newTestSolver(t)
	c := m.client(files(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY gone /\n"}), nil)
	def, err := llb.Scratch().File(llb.Mkfile("/f", 0o644, nil)).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for want, req := range map[string]client.SolveRequest{
		"cannot solve with both Definition and Frontend specified": {Frontend: "dockerfile.v0", Definition: def.ToPB()},
		"no source specified for gateway":                          {Frontend: "gateway.v0"},
		`invalid name "UPPER" of a frontend image: invalid reference format: repository name (library/UPPER) must be lowercase`: {Frontend: "gateway.v0", FrontendOpt: map[string]string{"source": "UPPER"}},
	} {
		if _, err := c.Solve(t.Context(), req); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for _, req := range []client.SolveRequest{{}, {Definition: &pb.Definition{}}, {Evaluate: true}} {
		if res, err := c.Solve(t.Context(), req); err != nil || res == nil || res.Ref != nil {
			t.Errorf("solve an empty request: %v, %v, want no reference", res, err)
		}
	}
	bad, err := llb.Scratch().File(llb.Rm("/gone")).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Solve(t.Context(), client.SolveRequest{Definition: bad.ToPB()})
	if err != nil {
		t.Fatalf("solve a failing operation without evaluating it: error %v", err)
	}
	if err := res.Ref.Evaluate(t.Context()); err == nil {
		t.Error("evaluate a failing operation: no error")
	}
	if _, err := c.Solve(t.Context(), client.SolveRequest{Definition: bad.ToPB(), Evaluate: true}); err == nil {
		t.Error("solve with Evaluate a failing operation: no error")
	}
	st, err := res.Ref.ToState()
	if err != nil {
		t.Fatal(err)
	}
	again, err := st.Marshal(t.Context())
	if err != nil || !cmp.Equal(again.ToPB().Def, bad.ToPB().Def) {
		t.Errorf("the state of the reference differs from the solved definition: %v", err)
	}
}

// TestForward checks that a frontend can forward a build to another frontend with options
// and inputs.
func TestForward(t *testing.T) {
	m := newTestSolver(t)
	dir := files(t, map[string]string{"Dockerfile": "FROM in\nARG A\nCOPY <<END /arg\n$A\nEND\n"})
	src := &llbsource.Sources{Store: m.store, Cache: m.cache, Dirs: map[string]string{"context": dir, "dockerfile": dir}}
	var warned []string
	c := gateway.New(gateway.Options{
		Build: m.solver(src), Store: m.store, Sources: src,
		Frontends: map[string]client.BuildFunc{"dockerfile.v0": frontend.Build},
		Warn:      func(w gateway.Warning) { warned = append(warned, w.Message) },
	})
	in, err := llb.Scratch().File(llb.Mkfile("/input", 0o644, nil)).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Solve(t.Context(), client.SolveRequest{
		Frontend:       "dockerfile.v0",
		FrontendOpt:    map[string]string{"build-arg:A": "value", "context:in": "input:in"},
		FrontendInputs: map[string]*pb.Definition{"in": in.ToPB()},
		Evaluate:       true,
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := res.Ref.ReadFile(t.Context(), client.ReadRequest{Filename: "arg"})
	if _, missing := res.Ref.StatFile(t.Context(), client.StatRequest{Path: "input"}); err != nil || missing != nil || string(data) != "value\n" {
		t.Errorf("read %q, %v, %v", data, err, missing)
	}
	if len(c.Graphs()) == 0 {
		t.Error("Graphs lacks the graphs of the other frontend")
	}
	_, err = c.Solve(t.Context(), client.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"target": "gone"}})
	if list := errdefs.Frontends(err); len(list) != 1 || list[0].Name != "dockerfile.v0" {
		t.Errorf("error %v has frontends %v, want dockerfile.v0", err, list)
	}
	_, err = c.Solve(t.Context(), client.SolveRequest{Frontend: "other.v0"})
	if err == nil || err.Error() != "unknown frontend other.v0 (use gateway.v0, dockerfile.v0)" {
		t.Error(err)
	}
}

// TestPolicies checks that source policies deny or replace sources, both in definitions
// and in requests for metadata.
func TestPolicies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	defer server.Close()
	deny := []*spb.Policy{{Rules: []*spb.Rule{{Action: spb.PolicyAction_DENY, Selector: &spb.Selector{Identifier: "local://*"}}}}}
	move := []*spb.Policy{{Rules: []*spb.Rule{{
		Action:   spb.PolicyAction_CONVERT,
		Selector: &spb.Selector{Identifier: server.URL + "/old"}, Updates: &spb.Update{Identifier: server.URL + "/new"},
	}}}}
	m := newTestSolver(t)
	src := &llbsource.Sources{Store: m.store, Cache: m.cache, HTTP: server.Client()}
	c := gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src})
	def, err := llb.Scratch().File(llb.Copy(llb.Local("context"), "/", "/")).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB(), SourcePolicies: deny}); err == nil || !strings.Contains(err.Error(), "source denied by policy") {
		t.Errorf("denied source: error %v", err)
	}
	def, err = llb.Scratch().File(llb.Copy(llb.HTTP(server.URL+"/old", llb.Filename("f")), "f", "/f"), llb.WithCustomName("copies")).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB(), SourcePolicies: move})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := res.Ref.ReadFile(t.Context(), client.ReadRequest{Filename: "f"}); err != nil || string(data) != "/new" {
		t.Errorf("content of the replaced source: %q, %v", data, err)
	}
	if name := res.Ref.(*gateway.Reference).Result.Vertex().Name(); name != "copies" {
		t.Errorf("the operation lost its name: %s", name)
	}
	md, err := c.ResolveSourceMetadata(t.Context(), &pb.SourceOp{Identifier: server.URL + "/old"}, sourceresolver.Opt{
		SourcePolicies: move,
		HTTPOpt:        &sourceresolver.ResolveHTTPOpt{ChecksumReq: &sourceresolver.ResolveHTTPChecksumRequest{Algo: sourceresolver.ResolveHTTPChecksumAlgoSHA512, Suffix: []byte("more")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("sha512:%x", sha512.Sum512([]byte("/newmore")))
	if md.Op.Identifier != server.URL+"/new" || md.HTTP.ChecksumResponse.Digest != want {
		t.Errorf("metadata %v %v", md.Op, md.HTTP.ChecksumResponse)
	}
}

// TestMetadata checks that a metadata request for a local source, which has no metadata,
// returns the operation. Requests for invalid or unsupported sources must fail with an
// error that names the problem.
func TestMetadata(t *testing.T) {
	c := newTestSolver(t).client(t.TempDir(), nil)
	md, err := c.ResolveSourceMetadata(t.Context(), &pb.SourceOp{Identifier: "local://context"}, sourceresolver.Opt{})
	if err != nil || md.Op.Identifier != "local://context" {
		t.Errorf("metadata of a local source: %v, %v", md, err)
	}
	for want, id := range map[string]string{
		`source "nothing" has no scheme`:  "nothing",
		`unsupported source scheme "ftp"`: "ftp://example.com",
	} {
		if _, err := c.ResolveSourceMetadata(t.Context(), &pb.SourceOp{Identifier: id}, sourceresolver.Opt{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, _, _, err := c.ResolveImageConfig(t.Context(), "Bad Name", sourceresolver.Opt{}); err == nil || !strings.Contains(err.Error(), "could not parse reference") {
		t.Errorf("invalid image name: error %v", err)
	}
}

// TestPull checks that resolving an image searches the stored images first, unless the
// frontend requests a pull.
func TestPull(t *testing.T) {
	m := newTestSolver(t)
	for mode, want := range map[string]string{
		"":                               "stored images",
		pb.AttrImageResolveModeDefault:   "stored images",
		pb.AttrImageResolveModeForcePull: "registries are not allowed",
	} {
		src := &llbsource.Sources{Store: m.store, Local: func(reference.Named) (*images.Image, error) { return nil, errors.New("stored images") }}
		c := gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src})
		opt := sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: mode}}
		if _, _, _, err := c.ResolveImageConfig(t.Context(), "example.com/i:1", opt); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("resolve mode %q: error %v, want %s", mode, err, want)
		}
	}
}
