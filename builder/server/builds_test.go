package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	cerrdefs "github.com/containerd/errdefs"
	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"slipway/builder"
)

// TestClientFrontend checks a build whose frontend is the client. The client must be able to run
// the built-in frontend, to read a file of the result, and to return the result.
func TestClientFrontend(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	opt.Frontend = ""
	var out tarOutput
	opt.Exports = []client.ExportEntry{out.entry()}
	read := ""
	_, err := s.Build(t.Context(), opt, "test", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		res, err := c.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: c.BuildOpts().Opts, Evaluate: true})
		if err != nil {
			return nil, err
		}
		ref, err := res.SingleRef()
		if err != nil {
			return nil, err
		}
		data, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: "/c.txt"})
		read = string(data)
		return res, err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if read != "made\n" {
		t.Errorf("the client read %q", read)
	}
	if files := out.files(t); files["b.txt"] != "content\n" {
		t.Errorf("got files %q", files)
	}
}

// TestClientFrontendError checks that a build fails with the error of its frontend if the client
// is the frontend.
func TestClientFrontendError(t *testing.T) {
	s := startServer(t, builder.Options{})
	_, err := s.Build(t.Context(), client.SolveOpt{}, "test", func(context.Context, gateway.Client) (*gateway.Result, error) {
		return nil, errors.New("the client gives up")
	}, nil)
	if err == nil || !strings.Contains(err.Error(), "the client gives up") {
		t.Errorf("got error %v", err)
	}
}

// TestDefinition checks that the server builds an LLB definition from a client, without a
// frontend.
func TestDefinition(t *testing.T) {
	s := startServer(t, builder.Options{})
	def, err := llb.Scratch().File(llb.Mkfile("/f", 0o644, []byte("x"))).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out tarOutput
	if _, err := s.Solve(t.Context(), def, client.SolveOpt{Exports: []client.ExportEntry{out.entry()}}, nil); err != nil {
		t.Fatal(err)
	}
	if files := out.files(t); files["f"] != "x" {
		t.Errorf("got files %q", files)
	}
}

// TestPolicy checks that the server applies the source policy in a request to the definition in
// the same request.
func TestPolicy(t *testing.T) {
	s := startServer(t, builder.Options{})
	def, err := llb.HTTP("https://example.invalid/x").Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Solve(t.Context(), def, client.SolveOpt{SourcePolicy: &spb.Policy{Version: 1, Rules: []*spb.Rule{{
		Action: spb.PolicyAction_DENY, Selector: &spb.Selector{Identifier: "https://example.invalid/x"},
	}}}}, nil)
	if err == nil || !strings.Contains(err.Error(), "denied by policy") {
		t.Errorf("got error %v, want one of the policy", err)
	}
}

// TestSecret checks that a step gets a secret from the session of its client. A later build by a
// client without the secret must fail.
func TestSecret(t *testing.T) {
	s := startServer(t, builder.Options{})
	file := base + "RUN --mount=type=secret,id=s,required=true cat /run/secrets/s > /got; echo %d\n"
	for i, c := range []struct {
		attach []session.Attachable
		want   string
	}{
		{[]session.Attachable{secretsprovider.FromMap(map[string][]byte{"s": []byte("hidden")})}, ""},
		{nil, "secret s: not found"},
	} {
		opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": fmt.Sprintf(file, i)}))
		opt.Session = c.attach
		_, err := s.Solve(t.Context(), nil, opt, nil)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d: got error %v, want %q", i, err, c.want)
		}
	}
}

// TestErrorSource checks that BuildKit's client receives the location of an error in the
// Dockerfile.
func TestErrorSource(t *testing.T) {
	s := startServer(t, builder.Options{})
	for name, file := range map[string]string{"parse": "FROM scratch\nCOPPY a b\n", "step": base + "RUN exit 3\n", "missing": "FROM scratch\nCOPY none /\n"} {
		_, err := s.Solve(t.Context(), nil, dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": file})), nil)
		if list := errdefs.Sources(err); len(list) == 0 || list[0].Info.Filename != "Dockerfile" {
			t.Errorf("%s: error %v has the locations %v", name, err, list)
		}
	}
}

// TestStatusReplay checks that Status sends the whole progress of a build that has ended, even
// after a restart of the server.
func TestStatusReplay(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": "content\n"}))
	opt.Ref = "the-build"
	if _, err := s.Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	check := func(s *testServer) {
		t.Helper()
		stream, err := s.ControlClient().Status(t.Context(), &controlapi.StatusRequest{Ref: opt.Ref})
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for {
			m, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range m.Logs {
				text += string(l.Msg)
			}
		}
		if !strings.Contains(text, "printed") {
			t.Errorf("got the output %q", text)
		}
	}
	check(s)
	s.stop()
	check(startServer(t, builder.Options{State: s.state}))
}

// TestUnknownStatus checks that Status returns the gRPC code NotFound for an unknown build.
func TestUnknownStatus(t *testing.T) {
	s := startServer(t, builder.Options{})
	s.server.builds.running.wait = time.Millisecond
	stream, err := s.ControlClient().Status(t.Context(), &controlapi.StatusRequest{Ref: "unknown"})
	if err == nil {
		_, err = stream.Recv()
	}
	if grpcerrors.Code(err) != codes.NotFound {
		t.Errorf("got error %v, want one with the code NotFound", err)
	}
}

// TestIncremental checks that the server receives changed files of a context again. Builds with
// the same shared key must use the same directories, so that the client need not send unchanged
// files.
func TestIncremental(t *testing.T) {
	s := startServer(t, builder.Options{})
	count := 0
	for i, text := range []string{"one", "two", "two"} {
		opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": hello, "a.txt": text}))
		opt.SharedKey = "shared"
		var out tarOutput
		opt.Exports = []client.ExportEntry{out.entry()}
		if _, err := s.Solve(t.Context(), nil, opt, nil); err != nil {
			t.Fatal(err)
		}
		if files := out.files(t); files["b.txt"] != text {
			t.Errorf("got %q, want %q", files["b.txt"], text)
		}
		dirs, err := os.ReadDir(filepath.Join(s.state, "received"))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			count = len(dirs)
		}
		if count == 0 || len(dirs) != count {
			t.Errorf("build %d: %d directories, want the %d of the first build", i, len(dirs), count)
		}
	}
}

// TestConcurrentBuilds checks that the server runs a step only once if several clients build it
// concurrently.
func TestConcurrentBuilds(t *testing.T) {
	s := startServer(t, builder.Options{})
	const clients = 8
	file := base + "RUN --mount=type=cache,target=/c echo x >> /c/runs; i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; cat /c/runs > /runs\n"
	files := contextDir(t, map[string]string{"Dockerfile": file})
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			var out tarOutput
			opt := dockerfileOpt(files)
			opt.Exports = []client.ExportEntry{out.entry()}
			c := connect(t, s.address)
			if _, err := c.Solve(t.Context(), nil, opt, nil); err != nil {
				t.Error(err)
				return
			}
			if got := out.files(t)["runs"]; got != "x\n" {
				t.Errorf("the step ran %d times, want 1", strings.Count(got, "x"))
			}
		})
	}
	wg.Wait()
}

// TestCancel checks that a build ends with an error if its client cancels it or the server
// stops.
func TestCancel(t *testing.T) {
	s := startServer(t, builder.Options{})
	for _, by := range []string{"client", "server"} {
		ctx, cancel := context.WithCancel(t.Context())
		opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": base + "RUN echo " + by + "; while :; do cat /bin/sh; done\n"}))
		ch, started := make(chan *client.SolveStatus), make(chan struct{})
		once := sync.OnceFunc(func() { close(started) })
		go func() {
			for m := range ch {
				if len(m.Logs) > 0 {
					once()
				}
			}
		}()
		failed := make(chan error, 1)
		go func() {
			_, err := s.Solve(ctx, nil, opt, ch)
			failed <- err
		}()
		<-started
		if by == "client" {
			cancel()
		} else {
			s.stop()
		}
		select {
		case err := <-failed:
			if code := grpcerrors.Code(err); err == nil || by == "server" && code != codes.Unavailable {
				t.Errorf("canceled by the %s: error %v with the code %s", by, err, code)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("canceled by the %s: the build does not end", by)
		}
		cancel()
	}
}

// TestBadRequests checks the errors for invalid and unsupported requests of Solve.
func TestBadRequests(t *testing.T) {
	t.Parallel() // waits for a session
	s := startServer(t, builder.Options{})
	for want, req := range map[string]*controlapi.SolveRequest{
		"reference of the build is empty":      {},
		"security.insecure is not allowed":     {Ref: "a", Entitlements: []string{"security.insecure"}},
		"unknown frontend toy.v0":              {Ref: "b", Frontend: "toy.v0"},
		"exporter floppy: unknown type":        {Ref: "c", Exporters: []*controlapi.Exporter{{Type: "floppy"}}},
		"names no session":                     {Ref: "e", Frontend: "dockerfile.v0"},
		"no open session":                      {Ref: "f", Frontend: "dockerfile.v0", Session: "unknown"},
		"push=perhaps is neither true nor":     {Ref: "g", Exporters: []*controlapi.Exporter{{Type: "image", Attrs: map[string]string{"push": "perhaps"}}}},
		"no source specified for gateway":      {Ref: "h", Frontend: "gateway.v0"},
		"needs a name to be pushed":            {Ref: "i", Exporters: []*controlapi.Exporter{{Type: "image", Attrs: map[string]string{"push": "true"}}}},
		"both a frontend and a definition are": {Ref: "j", Frontend: "dockerfile.v0", Definition: definition(t)},
	} {
		_, err := s.ControlClient().Solve(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func definition(t *testing.T) *pb.Definition {
	t.Helper()
	def, err := llb.Scratch().File(llb.Mkdir("/d", 0o755)).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB()
}

// TestContent checks that the server's content service does not give access to the state
// directory.
func TestContent(t *testing.T) {
	s := startServer(t, builder.Options{})
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a /\n", "a": "private"}))
	opt.Ref = "private"
	if _, err := s.Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	r := s.record(t, opt.Ref)
	store := proxy.NewContentStore(s.ContentClient())
	if err := store.Walk(t.Context(), func(i content.Info) error {
		if !slices.ContainsFunc(blobsOf(r), func(d *controlapi.Descriptor) bool { return d.Digest == i.Digest.String() }) {
			return fmt.Errorf("content %s", i.Digest)
		}
		return nil
	}); err != nil {
		t.Errorf("Walk: %v, want only the blobs of the record", err)
	}
	d := digest.FromString("private")
	if data, err := content.ReadBlob(t.Context(), store, ocispecs.Descriptor{Digest: d, Size: 7}); !cerrdefs.IsNotFound(err) {
		t.Errorf("a file of a context: %q, %v, want not found", data, err)
	}
}
