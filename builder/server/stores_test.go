package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/upload/uploadprovider"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"

	"slipway/builder"
)

// TestLocalCache exports a cache to a directory of the client, and imports it on another server,
// which runs no step.
func TestLocalCache(t *testing.T) {
	dir := t.TempDir()
	files := contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"})
	opt := dockerfileOpt(files)
	opt.CacheExports = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"dest": dir, "mode": "max"}}}
	if _, err := startServer(t, builder.Options{}).Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	opt = dockerfileOpt(files)
	opt.CacheImports = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"src": dir}}}
	var out tarOutput
	opt.Exports = []client.ExportEntry{out.entry()}
	st := collect()
	if _, err := startServer(t, builder.Options{}).Solve(t.Context(), nil, opt, st.ch); err != nil {
		t.Fatal(err)
	}
	if got := st.logs(); got != "" {
		t.Errorf("a step ran and printed %q", got)
	}
	if got := out.files(t)["c.txt"]; got != "made\n" {
		t.Errorf("got %q", got)
	}
}

// TestRequestedCache imports a cache that only a request of the frontend names.
func TestRequestedCache(t *testing.T) {
	r := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(r.Close)
	attrs := map[string]string{"ref": strings.TrimPrefix(r.URL, "http://") + "/cache", "mode": "max"}
	def, err := llb.Scratch().File(llb.Mkdir("/d", 0o755)).File(llb.Mkfile("/d/f", 0o644, []byte("x"))).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opt := client.SolveOpt{CacheExports: []client.CacheOptionsEntry{{Type: "registry", Attrs: attrs}}}
	if _, err := startServer(t, builder.Options{}).Solve(t.Context(), def, opt, nil); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, builder.Options{})
	for _, tc := range []struct {
		list   []gateway.CacheOptionsEntry
		cached bool
		want   string // error
	}{
		{nil, false, ""},
		{[]gateway.CacheOptionsEntry{{Type: "s3"}}, false, `unknown type "s3"`},
		{[]gateway.CacheOptionsEntry{{Type: "registry", Attrs: attrs}}, true, ""},
	} {
		st := collect()
		_, err := s.Build(t.Context(), client.SolveOpt{}, "", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			return c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), CacheImports: tc.list, Evaluate: true})
		}, st.ch)
		if err != nil && (tc.want == "" || !strings.Contains(err.Error(), tc.want)) || err == nil && tc.want != "" {
			t.Errorf("%v: error %v, want %q", tc.list, err, tc.want)
		}
		<-st.done
		cached := slices.ContainsFunc(st.all.Vertexes, func(v *client.Vertex) bool { return strings.HasPrefix(v.Name, "mkfile") && v.Cached })
		if cached != tc.cached {
			t.Errorf("%v: cached %t, want %t", tc.list, cached, tc.cached)
		}
		if err := s.Prune(t.Context(), nil, client.PruneAll); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLayout exports an image to an OCI layout of the client, and uses the layout as a named
// context of another build.
func TestLayout(t *testing.T) {
	s := startServer(t, builder.Options{})
	dir := t.TempDir()
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	opt.Exports = []client.ExportEntry{{Type: client.ExporterOCI, OutputDir: dir, Attrs: map[string]string{"tar": "false"}}}
	res, err := s.Solve(t.Context(), nil, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	var d ocispecs.Descriptor
	data, err := base64.StdEncoding.DecodeString(res.ExporterResponse[exptypes.ExporterImageDescriptorKey])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	store, err := contentlocal.NewStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	opt = dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM base\nCOPY a.txt /second\n", "a.txt": "x"}))
	opt.OCIStores = map[string]content.Store{"id": store}
	opt.FrontendAttrs["context:base"] = "oci-layout://id@" + d.Digest.String()
	var out tarOutput
	opt.Exports = []client.ExportEntry{out.entry()}
	other := startServer(t, builder.Options{})
	if _, err := other.Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	if files := out.files(t); files["c.txt"] != "made\n" || files["second"] != "x" {
		t.Errorf("got files %q", files)
	}
}

// TestUpload builds a Dockerfile that the client offers as an upload, as for docker build -.
func TestUpload(t *testing.T) {
	s := startServer(t, builder.Options{})
	up := uploadprovider.New()
	url := up.Add(io.NopCloser(strings.NewReader("FROM scratch\nCOPY <<EOF /f\nx\nEOF\n")))
	var out tarOutput
	_, err := s.Solve(t.Context(), nil, client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"context": url},
		Session: []session.Attachable{up}, Exports: []client.ExportEntry{out.entry()},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if files := out.files(t); files["f"] != "x\n" {
		t.Errorf("got files %q", files)
	}
}

// TestStoredImage stores an image, which a later build uses as its base.
func TestStoredImage(t *testing.T) {
	s := startServer(t, builder.Options{})
	for i, file := range []string{hello, "FROM app:1\nCOPY a.txt /more\n"} {
		opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": file, "a.txt": "content\n"}))
		opt.Exports = []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"name": fmt.Sprintf("app:%d", i+1)}}}
		res, err := s.Solve(t.Context(), nil, opt, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.ExporterResponse[exptypes.ExporterImageDigestKey] == "" {
			t.Errorf("%s: the response has no digest: %v", file, res.ExporterResponse)
		}
	}
	if list, err := os.ReadDir(filepath.Join(s.state, "images")); err != nil || len(list) != 2 {
		t.Errorf("got the images %v, %v", list, err)
	}
}

// TestInlineCache checks that a build that takes its steps from the inline cache of an image makes
// the same image again, with the same inline cache. The cache lacks outputs of the steps that are
// not used.
func TestInlineCache(t *testing.T) {
	files := contextDir(t, nil)
	base := llb.Scratch().File(llb.Mkdir("/bin", 0o755)).File(llb.Copy(llb.Local("src"), "/sh", "/bin/sh"))
	run := func(st llb.State, script string) llb.State {
		return base.Run(llb.Args([]string{"/bin/sh", "-c", script}), llb.Dir("/wd")).AddMount("/wd", st)
	}
	def, err := run(run(llb.Scratch(), "echo 1 > one"), "echo 2 > two; echo ran").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	build := func(from string, d digest.Digest) (string, digest.Digest) {
		t.Helper()
		opt := client.SolveOpt{LocalMounts: map[string]fsutil.FS{"src": files}}
		if from != "" {
			opt.CacheImports = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"src": from, "digest": string(d)}}}
		}
		opt.CacheExports = []client.CacheOptionsEntry{{Type: "inline"}}
		dir := t.TempDir()
		opt.Exports = []client.ExportEntry{{Type: client.ExporterOCI, OutputDir: dir, Attrs: map[string]string{"tar": "false"}}}
		st := collect()
		res, err := startServer(t, builder.Options{}).Solve(t.Context(), def, opt, st.ch)
		if err != nil {
			t.Fatal(err)
		}
		if ran := st.logs() != ""; ran == (from != "") {
			t.Errorf("the last step ran: %t", ran)
		}
		return dir, digest.Digest(res.ExporterResponse["containerimage.digest"])
	}
	dir, first := build("", "")
	again, second := build(dir, first)
	if first == second {
		return
	}
	for d, in := range map[digest.Digest]string{first: dir, second: again} {
		var m ocispecs.Manifest
		data, err := os.ReadFile(filepath.Join(in, "blobs", "sha256", d.Encoded()))
		if err == nil {
			err = json.Unmarshal(data, &m)
		}
		if err == nil {
			data, err = os.ReadFile(filepath.Join(in, "blobs", "sha256", m.Config.Digest.Encoded()))
		}
		t.Errorf("the images differ: %s: %s %v", d, data, err)
	}
}

// TestMissingOutput checks that a step runs if a frontend needs an output that the imported cache
// lacks, after it has used another output from the cache.
func TestMissingOutput(t *testing.T) {
	files := contextDir(t, nil)
	base := llb.Scratch().File(llb.Mkdir("/bin", 0o755)).File(llb.Copy(llb.Local("src"), "/sh", "/bin/sh"))
	run := base.Run(llb.Args([]string{"/bin/sh", "-c", "echo 1 > /one; echo 2 > /wd/two; echo ran"}))
	mounted := run.AddMount("/wd", llb.Scratch())
	dir := t.TempDir()
	opt := client.SolveOpt{FrontendAttrs: map[string]string{}, LocalMounts: map[string]fsutil.FS{"src": files}}
	opt.CacheExports = []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"dest": dir, "mode": "max"}}}
	if _, err := startServer(t, builder.Options{}).Build(t.Context(), opt, "", solveOne(mounted), nil); err != nil {
		t.Fatal(err)
	}
	opt.CacheExports, opt.CacheImports = nil, []client.CacheOptionsEntry{{Type: "local", Attrs: map[string]string{"src": dir}}}
	st := collect()
	_, err := startServer(t, builder.Options{}).Build(t.Context(), opt, "", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		for _, out := range []struct {
			name  string
			state llb.State
		}{{"two", mounted}, {"one", run.Root()}} {
			res, err := solveOne(out.state)(ctx, c)
			if err != nil {
				return nil, err
			}
			if _, err := res.Ref.ReadFile(ctx, gateway.ReadRequest{Filename: out.name}); err != nil {
				return nil, err
			}
		}
		return gateway.NewResult(), nil
	}, st.ch)
	if err != nil {
		t.Fatal(err)
	}
	if got := st.logs(); got != "ran\n" {
		t.Errorf("the step printed %q", got)
	}
}
