package inputs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/imageutil"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/frontend/options"
	"slipway/internal/fakegateway"
	"slipway/plan"
)

// newInputs returns the Inputs of a build by the builder b with the given frontend
// options.
func newInputs(t *testing.T, b client.Client, opts map[string]string) *Inputs {
	t.Helper()
	o, err := options.Parse(opts)
	if err != nil {
		t.Fatal(err)
	}
	return New(b, o)
}

// newPaths returns the set of the given paths.
func newPaths(paths ...string) *plan.Paths {
	p := &plan.Paths{}
	for _, name := range paths {
		p.Add(name)
	}
	return p
}

// sourceOf returns the only source operation in a definition, and the name of the operation in
// the progress output.
func sourceOf(t *testing.T, def *pb.Definition) (*pb.SourceOp, string) {
	t.Helper()
	var op pb.Op
	if err := op.UnmarshalVT(def.Def[0]); err != nil {
		t.Fatal(err)
	}
	name := def.Metadata[string(digest.FromBytes(def.Def[0]))].Description["llb.customname"]
	return op.GetSource(), name
}

// checkSource checks the only source operation in def: its name in the progress output, its
// identifier and its attributes.
func checkSource(t *testing.T, def *pb.Definition, name, identifier string, attrs map[string]string) {
	t.Helper()
	op, got := sourceOf(t, def)
	if got != name || op.Identifier != identifier {
		t.Errorf("%s, named %q; want %s, named %q", op.Identifier, got, identifier, name)
	}
	if diff := cmp.Diff(attrs, op.Attrs); diff != "" {
		t.Errorf("attributes of %s (-want +got):\n%s", identifier, diff)
	}
}

// marshal encodes the state st as a definition.
func marshal(t *testing.T, st llb.State) *pb.Definition {
	t.Helper()
	def, err := st.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB()
}

// TestDockerfile checks that the Dockerfile is read from a local source, and that the
// client is asked only for the Dockerfile and its ignore file.
func TestDockerfile(t *testing.T) {
	b := &fakegateway.Client{Files: map[string]string{"sub/dockerfile": "FROM x\n"}}
	in := newInputs(t, b, map[string]string{"filename": "sub/Dockerfile", "local-sessionid:dockerfile": "other"})
	f, err := in.Dockerfile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Source.Bytes) != "FROM x\n" || f.Map.Filename != "sub/Dockerfile" || f.Map.Definition == nil {
		t.Errorf("read %+v", f)
	}
	checkSource(t, b.SolveRequests()[0].Definition, "[internal] load build definition from sub/Dockerfile", "local://dockerfile", map[string]string{
		"local.session": "other", "local.sharedkeyhint": "dockerfile", "local.differ": "none",
		"local.followpaths": `["sub/Dockerfile","sub/Dockerfile.dockerignore","sub/dockerfile"]`,
	})
}

// TestContainerfile checks that a remote context may have a Containerfile instead of a
// Dockerfile, unless the client requests a file by name.
func TestContainerfile(t *testing.T) {
	files := map[string]string{"sub/Containerfile": "FROM c\n", "Containerfile": "FROM root\n"}
	remote := map[string]llb.State{"context": llb.Scratch(), "dockerfile": llb.Scratch().File(llb.Mkdir("/x", 0o755))}
	for _, tc := range []struct {
		filename, also string
		states         map[string]llb.State
		want           string // name and text, or the error
	}{
		{"", "", remote, "Containerfile FROM root\n"},
		{"", "dockerfile", remote, "Dockerfile FROM d\n"},
		{"Dockerfile", "", remote, "failed to read dockerfile: file does not exist"},
		{"sub/Dockerfile", "", remote, "failed to read dockerfile: file does not exist"},
		{"sub/Dockerfile", "sub/dockerfile", remote, "sub/Dockerfile FROM d\n"},
		{"sub/Dockerfile", "sub/Dockerfile", remote, "sub/Dockerfile FROM d\n"},
		{"sub/other", "", remote, "failed to read dockerfile: file does not exist"},
		{"none/Dockerfile", "", remote, "failed to read dockerfile: file does not exist"},
		{"", "", nil, "failed to read dockerfile: file does not exist"},
	} {
		b := &fakegateway.Client{Files: maps.Clone(files), States: tc.states}
		if tc.also != "" {
			b.Files[tc.also] = "FROM d\n"
		}
		opts := map[string]string{"filename": tc.filename}
		if tc.filename == "" {
			delete(opts, "filename")
		}
		f, err := newInputs(t, b, opts).Dockerfile(t.Context())
		var got string
		if err != nil {
			got = err.Error()
		} else if got = f.Source.Name + " " + string(f.Source.Bytes); f.Map.Filename != f.Source.Name {
			t.Errorf("%s: clients receive the name %s, errors have the name %s", tc.filename, f.Map.Filename, f.Source.Name)
		}
		if got != tc.want {
			t.Errorf("%s with %q: content %q, want %q", tc.filename, tc.also, got, tc.want)
		}
	}
}

// TestMainContext checks the LLB of a local main context: the client sends only the
// paths that the build reads and the ignore file does not exclude.
func TestMainContext(t *testing.T) {
	b := &fakegateway.Client{Files: map[string]string{".dockerignore": "# c\na\n!a/b\n"}}
	in := newInputs(t, b, nil)
	for range 2 {
		st, err := in.State(t.Context(), nil, newPaths("x", "../y"))
		if err != nil {
			t.Fatal(err)
		}
		checkSource(t, marshal(t, st), "[internal] load build context", "local://context", map[string]string{
			"local.session": "session", "local.sharedkeyhint": "context",
			"local.excludepatterns": `["a","!a/b"]`, "local.followpaths": `["x","y"]`,
		})
	}
	if len(b.SolveRequests()) != 1 {
		t.Errorf("%d requests for the ignore file, want 1", len(b.SolveRequests()))
	}
	st, err := in.State(t.Context(), nil, newPaths("/", "x"))
	if err != nil {
		t.Fatal(err)
	}
	op, _ := sourceOf(t, marshal(t, st))
	if paths, ok := op.Attrs["local.followpaths"]; ok {
		t.Errorf("paths %s, want the whole context", paths)
	}
}

// TestDockerfileIgnore checks that Dockerfile.dockerignore takes precedence over
// .dockerignore. If the former exists, the latter must not be read.
func TestDockerfileIgnore(t *testing.T) {
	b := &fakegateway.Client{Files: map[string]string{"Dockerfile": "x", "Dockerfile.dockerignore": "!\n", ".dockerignore": "a"}}
	in := newInputs(t, b, nil)
	if _, err := in.Dockerfile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Ignore(t.Context()); err == nil || !strings.HasPrefix(err.Error(), `illegal exclusion pattern: "!"`) {
		t.Errorf("error %v of a lone !", err)
	}
	if len(b.SolveRequests()) != 1 {
		t.Errorf("solved %d times", len(b.SolveRequests()))
	}
}

// TestRemoteContext checks that no ignore file is read from a remote context.
func TestRemoteContext(t *testing.T) {
	st := llb.Scratch().File(llb.Mkfile("x", 0o644, nil))
	b := &fakegateway.Client{Files: map[string]string{".dockerignore": "!"}, States: map[string]llb.State{"context": st}}
	in := newInputs(t, b, nil)
	if _, err := in.Ignore(t.Context()); err != nil || len(b.SolveRequests()) != 0 {
		t.Errorf("read an ignore file: %v, %d requests", err, len(b.SolveRequests()))
	}
}

// TestImageOnce checks that an image is resolved once per platform and resolve mode.
func TestImageOnce(t *testing.T) {
	b := &fakegateway.Client{}
	in := newInputs(t, b, nil)
	arm := &ocispecs.Platform{OS: "linux", Architecture: "arm64"}
	for _, q := range []plan.ImageQuery{{}, {LogName: "x"}, {Platform: arm}, {Platform: arm}, {Mode: "default"}, {Mode: "pull"}} {
		if _, err := in.Image(t.Context(), "a", q); err != nil {
			t.Fatal(err)
		}
	}
	var modes []string
	for _, opt := range b.MetadataOptions() {
		modes = append(modes, opt.ImageOpt.ResolveMode)
	}
	if !slices.Equal(modes, []string{"default", "default", "pull"}) {
		t.Errorf("lookups of two platforms and two modes with modes %s", modes)
	}
}

// loadContext loads the named context, which must exist.
func loadContext(t *testing.T, in *Inputs, name string) (*plan.Resolved, error) {
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

// TestNamedLocal checks the LLB of a named context that is a directory of the client. The
// ignore file in the directory must apply to the context.
func TestNamedLocal(t *testing.T) {
	b := &fakegateway.Client{Files: map[string]string{".dockerignore": "no"}}
	in := newInputs(t, b, map[string]string{"context:files": "local:dir", "sharedkey:localdir:files": "key"})
	res, err := loadContext(t, in, "docker.io/library/files:latest")
	if err != nil {
		t.Fatal(err)
	}
	if !b.SolveRequests()[0].Evaluate {
		t.Error("the request is not evaluated, so that a missing directory causes no error")
	}
	st, err := in.State(t.Context(), res.Input, newPaths("a"))
	if err != nil {
		t.Fatal(err)
	}
	checkSource(t, marshal(t, st), "[context files] load from client", "local://dir", map[string]string{
		"local.session": "session", "local.sharedkeyhint": "context:files-key",
		"local.excludepatterns": `["no"]`, "local.followpaths": `["a"]`,
	})
	if nc, err := in.Context(t.Context(), "other", nil); nc != nil || err != nil {
		t.Errorf("context other is %v, %v", nc, err)
	}
	if _, err := in.State(t.Context(), &plan.Input{Name: "x", Handle: 1}, newPaths()); err == nil {
		t.Error("no error for an input of another build")
	}
}

// TestNamedImage checks the LLB and the image config of a named context that is an
// image. The config has no creation time.
func TestNamedImage(t *testing.T) {
	b := &fakegateway.Client{Config: `{"created":"2024-01-01T00:00:00Z","os":"linux","architecture":"amd64"}`}
	in := newInputs(t, b, map[string]string{"context:a": "docker-image://b"})
	res, err := loadContext(t, in, "a")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(res.Config), "created") {
		t.Errorf("config with time: %s", res.Config)
	}
	st, err := in.State(t.Context(), res.Input, newPaths())
	if err != nil {
		t.Fatal(err)
	}
	checkSource(t, marshal(t, st), "[context a] b", "docker-image://docker.io/library/b:latest", nil)
}

// TestPolicy checks that a source policy may redirect an image to another image, but only a
// limited number of times.
func TestPolicy(t *testing.T) {
	b := &fakegateway.Client{Policy: func(ref string) error {
		return errors.Join(&imageutil.ResolveToNonImageError{Ref: ref, Updated: "git://example.com/x.git"})
	}}
	in := newInputs(t, b, map[string]string{"context:a": "docker-image://b"})
	res, err := loadContext(t, in, "a")
	if err != nil {
		t.Fatal(err)
	}
	st, err := in.State(t.Context(), res.Input, newPaths())
	if err != nil {
		t.Fatal(err)
	}
	if op, _ := sourceOf(t, marshal(t, st)); !strings.HasPrefix(op.Identifier, "git://example.com/x.git") {
		t.Errorf("unexpected source %s", op.Identifier)
	}
	b.Policy = func(ref string) error {
		return &imageutil.ResolveToNonImageError{Ref: ref, Updated: ref + "0"}
	}
	if _, err := loadContext(t, newInputs(t, b, map[string]string{"context:a": "docker-image://b:1"}), "a"); err == nil ||
		!strings.HasPrefix(err.Error(), "context recursion limit exceeded") {
		t.Errorf("error %v of a loop", err)
	}
}

// TestSSHHint checks that the error for a git context without an SSH key suggests --ssh.
func TestSSHHint(t *testing.T) {
	b := &fakegateway.Client{Before: func(_ context.Context, call string) error {
		if call == "ReadFile" || call == "StatFile" {
			return errors.New(`no SSH key "k" forwarded from the client`)
		}
		return nil
	}}
	_, err := newInputs(t, b, map[string]string{"context": "git@example.com:a/b.git"}).Dockerfile(t.Context())
	want := `failed to read dockerfile: no SSH key "k" forwarded from the client (forward an agent or a key: --ssh k)`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
