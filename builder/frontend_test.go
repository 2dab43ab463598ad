package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/frontend"
	"slipway/internal/connserver"
	"slipway/internal/fakegateway"
	"slipway/internal/slowtest"
	"slipway/solver/llbsource"
)

// TestSyntax checks builds with a # syntax line. If the line selects Docker's frontend image or
// the image of this project, the built-in frontend must run. If the line selects an image that
// cannot be fetched, the error must point to the line.
func TestSyntax(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	for ref, followed := range map[string]bool{
		"docker/dockerfile": false, "docker/dockerfile:1.7-labs": false, "docker.io/docker/dockerfile-upstream:master": false,
		"mirror.example/hub/docker/dockerfile:1": false, "localhost:5000/slipway/dockerfile@sha256:" + strings.Repeat("0", 64): false,
		"slipway/dockerfile": false, "dockerfile/x": true, "x/notslipway/dockerfile": true, "NoName": true,
	} {
		o := options(t, "# syntax="+ref+"\nFROM scratch\nCOPY a /\n")
		if got := o.forwardsTo(ref); got != followed {
			t.Errorf("%s: forwarded: %v", ref, got)
		}
		o.SyntaxImage = true
		if !o.forwardsTo(ref) {
			t.Errorf("%s: not forwarded with SyntaxImage", ref)
		}
		o.SyntaxImage = false
		if followed {
			continue
		}
		told := false
		o.Status = func(s *client.SolveStatus) {
			for _, v := range s.Vertexes {
				told = told || v.Name == "[internal] built-in frontend for "+ref
			}
		}
		if err := Run(t.Context(), o); err != nil || !told {
			t.Errorf("%s: %v, told: %v", ref, err, told)
		}
	}
	const missing = "127.0.0.1:1/dockerfile/x"
	o := options(t, "# syntax="+missing+"\nFROM scratch\nCOPY a /\n")
	var told strings.Builder
	if err := Report(&told, Run(t.Context(), o), false); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(o.Context, "Dockerfile") + ":1:1: error: failed to resolve source metadata for " + missing + ":latest: "
	if !strings.HasPrefix(told.String(), want) {
		t.Errorf("told\n%s\nwant\n%s", told.String(), want)
	}
	o.BuildArgs = map[string]string{"BUILDKIT_SYNTAX": "docker/dockerfile:1"}
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("BUILDKIT_SYNTAX and # syntax: error %v", err)
	}
	o.BuildArgs["BUILDKIT_SYNTAX"] = missing + " arg"
	if err := Run(t.Context(), o); err == nil || !strings.HasPrefix(err.Error(), "failed with build-arg:BUILDKIT_SYNTAX = "+missing+" arg: ") {
		t.Errorf("error %v", err)
	}
	o.Call = "frontend.lint"
	if _, err := Build(t.Context(), o); err == nil {
		t.Error("check of a Dockerfile for another frontend: no error")
	}
	o = options(t, "FROM scratch\nCOPY a /\n")
	o.FrontendImage = missing
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("frontend image that cannot be fetched: error %v", err)
	}
}

// TestSyntaxContext checks that a named context replaces the frontend image that # syntax
// selects, even if the built-in frontend would run instead of the image.
func TestSyntaxContext(t *testing.T) {
	o := options(t, "# syntax=docker/dockerfile:1\nFROM scratch\nCOPY a /\n")
	o.Contexts = map[string]string{"docker/dockerfile:1": t.TempDir()}
	const want = "/run" // the program of a frontend image without an entrypoint
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one about %s", err, want)
	}
	o.Contexts["docker/dockerfile:1"] = "docker-image://scratch"
	if err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the image is empty") {
		t.Errorf("error %v of an empty image", err)
	}
}

// nopCloser is an [io.WriteCloser] whose Close method does nothing.
type nopCloser struct{ io.Writer }

// Close implements [io.Closer].
func (nopCloser) Close() error { return nil }

// TestFrontend checks a build with Options.Frontend. The given frontend must run instead of the
// built-in frontend, and the containers that it starts must use the runner of the build.
func TestFrontend(t *testing.T) {
	o := options(t, testDockerfile)
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	var out bytes.Buffer
	o.Frontend = func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		res, err := frontend.Build(ctx, c)
		if err != nil {
			return nil, err
		}
		box, err := c.NewContainer(ctx, gateway.NewContainerRequest{Mounts: []gateway.Mount{{Dest: "/", Ref: res.Ref}}})
		if err != nil {
			return nil, err
		}
		p, err := box.Start(ctx, gateway.StartRequest{Args: []string{"/bin/sh", "-c", "cat b; echo x > c"}, Stdout: nopCloser{&out}})
		if err != nil {
			return nil, err
		}
		return res, errors.Join(p.Wait(), box.Release(ctx))
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if out.String() != "content\n" {
		t.Errorf("output of the container %q", &out)
	}
	if _, err := os.Stat(filepath.Join(o.Outputs[0].Dest, "b")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(o.Outputs[0].Dest, "c")); err == nil && !info.IsDir() {
		t.Error("the image has a file that the container wrote")
	}
}

// TestResultDefaults checks which platform and image config a result gets if the frontend sets
// neither.
func TestResultDefaults(t *testing.T) {
	machine := platforms.FormatAll(llbsource.Machine())
	const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, tc := range []struct {
		name, platform string
		res            func(gateway.Reference) *gateway.Result
		env            []string
		err            string
	}{
		{name: "reference only", platform: machine, env: []string{path}, res: func(ref gateway.Reference) *gateway.Result {
			return &gateway.Result{Ref: ref}
		}},
		{name: "config", platform: "linux/arm64", env: []string{"A=b"}, res: func(ref gateway.Reference) *gateway.Result {
			return &gateway.Result{Ref: ref, Metadata: map[string][]byte{"containerimage.config": []byte(`{"os":"linux","architecture":"arm64","config":{"Env":["A=b"]}}`)}}
		}},
		{name: "nothing", platform: machine, env: []string{path}, res: func(gateway.Reference) *gateway.Result { return nil }},
		{name: "references without platforms", err: "unable to export multiple refs, missing platforms mapping", res: func(ref gateway.Reference) *gateway.Result {
			return &gateway.Result{Refs: map[string]gateway.Reference{"linux/amd64": ref}}
		}},
		{name: "platforms without references", err: "cannot export multiple platforms without multi-platform enabled", res: func(ref gateway.Reference) *gateway.Result {
			return &gateway.Result{Ref: ref, Metadata: map[string][]byte{"refs.platforms": []byte(`{"Platforms":[{"ID":"a","Platform":{"os":"linux","architecture":"amd64"}},{"ID":"b","Platform":{"os":"linux","architecture":"arm64"}}]}`)}}
		}},
		{name: "bad platforms", err: "platforms of the result: invalid empty platforms index for exporter", res: func(ref gateway.Reference) *gateway.Result {
			return &gateway.Result{Ref: ref, Metadata: map[string][]byte{"refs.platforms": []byte(`{}`)}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options(t, testDockerfile)
			o.Outputs = []Output{{Type: "oci", Dest: filepath.Join(t.TempDir(), "image.tar")}}
			o.Frontend = func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
				res, err := frontend.Build(ctx, c)
				if err != nil {
					return nil, err
				}
				return tc.res(res.Ref), nil
			}
			err := Run(t.Context(), o)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			config := archivedConfig(t, o.Outputs[0].Dest)
			if got := platforms.FormatAll(config.Platform); got != tc.platform || !slices.Equal(config.Config.Env, tc.env) {
				t.Errorf("platform %s, environment %q, want %s, %q", got, config.Config.Env, tc.platform, tc.env)
			}
		})
	}
}

// archivedConfig returns the config of the only image in an OCI archive.
func archivedConfig(t *testing.T, file string) ocispecs.Image {
	t.Helper()
	blobs := tarFiles(t, file)
	var m ocispecs.Manifest
	var config ocispecs.Image
	blob := func(d digest.Digest) []byte { return blobs["blobs/sha256/"+d.Encoded()] }
	d := indexJSON(t, file).Manifests[0]
	if err := errors.Join(json.Unmarshal(blob(d.Digest), &m), json.Unmarshal(blob(m.Config.Digest), &config)); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestHostKeys checks that the built-in frontend asks the SSH server of a git repository for its
// host key.
func TestHostKeys(t *testing.T) {
	asked := make(chan bool, 10)
	addr := connserver.Serve(t, "tcp", "127.0.0.1:0", func(net.Conn) { asked <- true })
	c := fakegateway.New("FROM scratch\nADD ssh://git@"+addr+"/a.git /\n", nil)
	if _, err := (&Options{}).buildFunc(nil, nil)(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if len(asked) == 0 {
		t.Error("the frontend has not connected to the server")
	}
}
