package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	buildref "github.com/moby/buildkit/identity"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/exporter"
	"github.com/moby/buildkit/session/exporter/exporterprovider"
	"github.com/moby/buildkit/session/filesync"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/sourcepolicy/policysession"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"slipway/builder"
)

// nopCloser is a writer whose Close does nothing.
type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// solveOne returns a client frontend whose result is the given state.
func solveOne(st llb.State) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		def, err := st.Marshal(ctx)
		if err != nil {
			return nil, err
		}
		return c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()})
	}
}

// TestSessionExporter checks that a client can choose exporters when it knows the result, and can
// read the files of the result while it chooses.
func TestSessionExporter(t *testing.T) {
	s := startServer(t, builder.Options{})
	ref := buildref.NewID()
	var out bytes.Buffer
	var listed []string
	target := filesync.NewFSSyncTarget()
	provider := exporterprovider.New(func(ctx context.Context, _ map[string][]byte, refs []string) ([]*exporter.ExporterRequest, error) {
		if len(refs) != 1 {
			return nil, errors.New("the result does not have one reference")
		}
		resp, err := s.GatewayClientForBuild(ref).ReadDir(ctx, &gwpb.ReadDirRequest{Ref: refs[0], DirPath: "/"})
		for _, e := range resp.GetEntries() {
			listed = append(listed, e.Path)
		}
		target.Add(filesync.WithFSSync(0, func(map[string]string) (io.WriteCloser, error) { return nopCloser{&out}, nil }))
		return []*exporter.ExporterRequest{{Type: client.ExporterTar, Attrs: map[string]string{"src": "/d"}}}, err
	})
	_, err := s.Build(t.Context(), client.SolveOpt{
		EnableSessionExporter: true, Ref: ref, Session: []session.Attachable{target, provider},
	}, "", solveOne(llb.Scratch().File(llb.Mkdir("/d", 0o755).Mkfile("/d/f", 0o644, []byte("x")))), nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(listed, " ") != "d" {
		t.Errorf("the client has listed %q", listed)
	}
	if files := (&tarOutput{out}).files(t); files["f"] != "x" {
		t.Errorf("got files %q", files)
	}
}

// TestFinalizeExport checks that a client receives the response of a build before the build ends,
// and that only some of its errors fail the build.
func TestFinalizeExport(t *testing.T) {
	s := startServer(t, builder.Options{})
	for name, fails := range map[string]error{"ok": nil, "gone": status.Error(codes.Unavailable, "x"), "bad": errors.New("the client objects")} {
		called := false
		provider := exporterprovider.New(nil, exporterprovider.WithFinalizeCallback(func(_ context.Context, resp map[string]string) error {
			called = resp["containerimage.digest"] != ""
			return fails
		}))
		_, err := s.Build(t.Context(), client.SolveOpt{
			EnableSessionExporter: true, Session: []session.Attachable{provider},
			Exports: []client.ExportEntry{{Type: client.ExporterImage, Attrs: map[string]string{"name": "app:" + name}}},
		}, "", solveOne(llb.Scratch().File(llb.Mkfile("/f", 0o644, nil))), nil)
		if (err != nil) != (name == "bad") || err != nil && !strings.Contains(err.Error(), "the client objects") {
			t.Errorf("%s: got error %v", name, err)
		}
		if !called {
			t.Errorf("%s: the client got no digest", name)
		}
	}
}

// TestPolicySession checks that the server asks the policy in the session of a client about each
// source.
func TestPolicySession(t *testing.T) {
	s := startServer(t, builder.Options{})
	def, err := llb.HTTP("https://example.invalid/x").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	policy := policysession.NewPolicyProvider(func(_ context.Context, req *policysession.CheckPolicyRequest) (*policysession.DecisionResponse, *gwpb.ResolveSourceMetaRequest, error) {
		return &policysession.DecisionResponse{Action: spb.PolicyAction_DENY, DenyMessages: []*policysession.DenyMessage{{Message: req.Source.Source.Identifier}}}, nil, nil
	})
	_, err = s.Solve(t.Context(), def, client.SolveOpt{SourcePolicyProvider: policy}, nil)
	if err == nil || !strings.Contains(err.Error(), "not allowed by policy") {
		t.Fatalf("got error %v, want one of the policy", err)
	}
	if list := policysession.DenyMessages(err); len(list) != 1 || list[0].Message != "https://example.invalid/x" {
		t.Errorf("the error has the messages %v", list)
	}
}

// TestMetadataOnly checks that the server receives only the names of files, except for files that
// match a pattern, and that a later build of the same directory receives all files.
func TestMetadataOnly(t *testing.T) {
	s := startServer(t, builder.Options{})
	files := contextDir(t, map[string]string{"a": "1", "b": "2"})
	for want, st := range map[string]llb.State{
		"a": llb.Local("src", llb.MetadataOnlyTransfer([]string{"a"})), "a b sh": llb.Local("src"),
	} {
		def, err := st.Marshal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if _, err := s.Solve(t.Context(), def, client.SolveOpt{
			LocalMounts: map[string]fsutil.FS{"src": files}, Exports: []client.ExportEntry{{Type: client.ExporterLocal, OutputDir: dir}},
		}, nil); err != nil {
			t.Fatal(err)
		}
		list, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			list[i] = filepath.Base(list[i])
		}
		if got := strings.Join(list, " "); got != want && got != ".fsutil-metadata "+want {
			t.Errorf("got the files %q, want %q", got, want)
		}
	}
}

// TestLocalDelete checks that an output with mode=delete removes other files from the directory of
// the client.
func TestLocalDelete(t *testing.T) {
	s := startServer(t, builder.Options{})
	def, err := llb.Scratch().File(llb.Mkfile("/new", 0o644, nil)).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Solve(t.Context(), def, client.SolveOpt{Exports: []client.ExportEntry{{
		Type: client.ExporterLocal, OutputDir: dir, Attrs: map[string]string{"mode": "delete"},
	}}}, nil); err != nil {
		t.Fatal(err)
	}
	if list, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(list) != 1 || filepath.Base(list[0]) != "new" {
		t.Errorf("the directory has %q, %v", list, err)
	}
}
