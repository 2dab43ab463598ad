package inputs

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/imageutil"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/frontend/options"
	"slipway/plan"
)

// builder stands for a BuildKit whose sources all have the same files.
type builder struct {
	client.Client // what inputs must not call is nil
	files         map[string]string
	inputs        map[string]llb.State
	policy        func(ref string) error // of image lookups
	solved        []client.SolveRequest
	lookups       int
	modes         string // of the lookups
}

func (b *builder) BuildOpts() client.BuildOpts {
	return client.BuildOpts{SessionID: "session", Caps: gwpb.Caps.CapSet(gwpb.Caps.All())}
}

func (b *builder) Inputs(context.Context) (map[string]llb.State, error) { return b.inputs, nil }

func (b *builder) Solve(_ context.Context, req client.SolveRequest) (*client.Result, error) {
	b.solved = append(b.solved, req)
	res := client.NewResult()
	res.SetRef(&ref{b: b})
	return res, nil
}

func (b *builder) ResolveSourceMetadata(_ context.Context, op *pb.SourceOp, opt sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	b.lookups++
	if opt.ImageOpt != nil {
		b.modes += opt.ImageOpt.ResolveMode + " "
	}
	if b.policy != nil {
		if err := b.policy(strings.TrimPrefix(op.Identifier, "docker-image://")); err != nil {
			return nil, err
		}
	}
	config := `{"created":"2024-01-01T00:00:00Z","os":"linux","architecture":"amd64"}`
	return &sourceresolver.MetaResponse{Op: op, Image: &sourceresolver.ResolveImageResponse{Config: []byte(config)}}, nil
}

type ref struct {
	client.Reference
	b *builder
}

func (r *ref) ReadFile(_ context.Context, req client.ReadRequest) ([]byte, error) {
	s, ok := r.b.files[req.Filename]
	if !ok {
		return nil, os.ErrNotExist
	}
	return []byte(s), nil
}

func (r *ref) StatFile(context.Context, client.StatRequest) (*fstypes.Stat, error) {
	return nil, os.ErrNotExist
}

func open(t *testing.T, b client.Client, opts map[string]string) *Inputs {
	t.Helper()
	o, err := options.Parse(opts)
	if err != nil {
		t.Fatal(err)
	}
	return New(b, o)
}

func used(paths ...string) *plan.Paths {
	p := &plan.Paths{}
	for _, name := range paths {
		p.Add(name)
	}
	return p
}

// sourceOf returns the source that a definition consists of, and its name.
func sourceOf(t *testing.T, def *pb.Definition) (*pb.SourceOp, string) {
	t.Helper()
	var op pb.Op
	if err := op.UnmarshalVT(def.Def[0]); err != nil {
		t.Fatal(err)
	}
	name := def.Metadata[string(digest.FromBytes(def.Def[0]))].Description["llb.customname"]
	return op.GetSource(), name
}

func check(t *testing.T, def *pb.Definition, name, identifier string, attrs map[string]string) {
	t.Helper()
	op, got := sourceOf(t, def)
	if got != name || op.Identifier != identifier {
		t.Errorf("%s, named %q; want %s, named %q", op.Identifier, got, identifier, name)
	}
	if diff := cmp.Diff(attrs, op.Attrs); diff != "" {
		t.Errorf("attributes of %s (-want +got):\n%s", identifier, diff)
	}
}

func define(t *testing.T, st llb.State) *pb.Definition {
	t.Helper()
	def, err := st.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB()
}

func TestDockerfile(t *testing.T) {
	b := &builder{files: map[string]string{"sub/dockerfile": "FROM x\n"}}
	in := open(t, b, map[string]string{"filename": "sub/Dockerfile", "local-sessionid:dockerfile": "other"})
	f, err := in.Dockerfile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Source.Bytes) != "FROM x\n" || f.Map.Filename != "sub/Dockerfile" || f.Map.Definition == nil {
		t.Errorf("read %+v", f)
	}
	check(t, b.solved[0].Definition, "[internal] load build definition from sub/Dockerfile", "local://dockerfile", map[string]string{
		"local.session": "other", "local.sharedkeyhint": "dockerfile", "local.differ": "none",
		"local.followpaths": `["sub/Dockerfile","sub/Dockerfile.dockerignore","sub/dockerfile"]`,
	})
}

func TestMainContext(t *testing.T) {
	b := &builder{files: map[string]string{".dockerignore": "# c\na\n!a/b\n"}}
	in := open(t, b, nil)
	for range 2 {
		st, err := in.State(t.Context(), nil, used("x", "../y"))
		if err != nil {
			t.Fatal(err)
		}
		check(t, define(t, st), "[internal] load build context", "local://context", map[string]string{
			"local.session": "session", "local.sharedkeyhint": "context",
			"local.excludepatterns": `["a","!a/b"]`, "local.followpaths": `["x","y"]`,
		})
	}
	if len(b.solved) != 1 {
		t.Errorf("the ignore file was read %d times", len(b.solved))
	}
	st, err := in.State(t.Context(), nil, used("/", "x"))
	if err != nil {
		t.Fatal(err)
	}
	op, _ := sourceOf(t, define(t, st))
	if paths, ok := op.Attrs["local.followpaths"]; ok {
		t.Errorf("only %s of a context that is all used", paths)
	}
}

// TestOwnIgnore: the ignore file beside the Dockerfile wins, and the context's
// is not looked for.
func TestOwnIgnore(t *testing.T) {
	b := &builder{files: map[string]string{"Dockerfile": "x", "Dockerfile.dockerignore": "!\n", ".dockerignore": "a"}}
	in := open(t, b, nil)
	if _, err := in.Dockerfile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Ignore(t.Context()); err == nil || err.Error() != `illegal exclusion pattern: "!"` {
		t.Errorf("error %v of a lone !", err)
	}
	if len(b.solved) != 1 {
		t.Errorf("solved %d times", len(b.solved))
	}
}

func TestRemoteHasNoIgnore(t *testing.T) {
	st := llb.Scratch().File(llb.Mkfile("x", 0o644, nil))
	b := &builder{files: map[string]string{".dockerignore": "!"}, inputs: map[string]llb.State{"context": st}}
	in := open(t, b, nil)
	if _, err := in.Ignore(t.Context()); err != nil || len(b.solved) != 0 {
		t.Errorf("read an ignore file: %v, %d requests", err, len(b.solved))
	}
}

func TestImageOnce(t *testing.T) {
	b := &builder{}
	in := open(t, b, nil)
	arm := &ocispecs.Platform{OS: "linux", Architecture: "arm64"}
	for _, q := range []plan.ImageQuery{{}, {LogName: "x"}, {Platform: arm}, {Platform: arm}, {Mode: "default"}, {Mode: "pull"}} {
		if _, err := in.Image(t.Context(), "a", q); err != nil {
			t.Fatal(err)
		}
	}
	if b.lookups != 3 || b.modes != "default default pull " {
		t.Errorf("%d lookups of two platforms and two modes, want 3; modes %s", b.lookups, b.modes)
	}
}

func load(t *testing.T, in *Inputs, name string) (*plan.Resolved, error) {
	t.Helper()
	nc, err := in.Context(t.Context(), name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if nc == nil {
		t.Fatalf("no context %s", name)
	}
	return nc.Load(t.Context())
}

func TestNamedLocal(t *testing.T) {
	b := &builder{files: map[string]string{".dockerignore": "no"}}
	in := open(t, b, map[string]string{"context:files": "local:dir", "sharedkey:localdir:files": "key"})
	res, err := load(t, in, "docker.io/library/files:latest")
	if err != nil {
		t.Fatal(err)
	}
	if !b.solved[0].Evaluate {
		t.Error("a missing directory would not be noticed")
	}
	st, err := in.State(t.Context(), res.Input, used("a"))
	if err != nil {
		t.Fatal(err)
	}
	check(t, define(t, st), "[context files] load from client", "local://dir", map[string]string{
		"local.session": "session", "local.sharedkeyhint": "context:files-key",
		"local.excludepatterns": `["no"]`, "local.followpaths": `["a"]`,
	})
	if nc, err := in.Context(t.Context(), "other", nil); nc != nil || err != nil {
		t.Errorf("context other is %v, %v", nc, err)
	}
	if _, err := in.State(t.Context(), &plan.Input{Name: "x", Handle: 1}, used()); err == nil {
		t.Error("opened an input of somebody else")
	}
}

func TestNamedImage(t *testing.T) {
	in := open(t, &builder{}, map[string]string{"context:a": "docker-image://b"})
	res, err := load(t, in, "a")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(res.Config), "created") {
		t.Errorf("config with time: %s", res.Config)
	}
	st, err := in.State(t.Context(), res.Input, used())
	if err != nil {
		t.Fatal(err)
	}
	check(t, define(t, st), "[context a] b", "docker-image://docker.io/library/b:latest", nil)
}

// TestPolicy follows source policies that send an image elsewhere, which is
// limited.
func TestPolicy(t *testing.T) {
	b := &builder{policy: func(ref string) error {
		return errors.Join(&imageutil.ResolveToNonImageError{Ref: ref, Updated: "git://example.com/x.git"})
	}}
	in := open(t, b, map[string]string{"context:a": "docker-image://b"})
	res, err := load(t, in, "a")
	if err != nil {
		t.Fatal(err)
	}
	st, err := in.State(t.Context(), res.Input, used())
	if err != nil {
		t.Fatal(err)
	}
	if op, _ := sourceOf(t, define(t, st)); !strings.HasPrefix(op.Identifier, "git://example.com/x.git") {
		t.Errorf("went to %s", op.Identifier)
	}
	b.policy = func(ref string) error {
		return &imageutil.ResolveToNonImageError{Ref: ref, Updated: "docker-image://" + ref + "0"}
	}
	if _, err := load(t, open(t, b, map[string]string{"context:a": "docker-image://b:1"}), "a"); err == nil ||
		!strings.HasPrefix(err.Error(), "context recursion limit exceeded") {
		t.Errorf("error %v of a loop", err)
	}
}
