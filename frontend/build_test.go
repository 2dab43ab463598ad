package frontend

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/internal/fakegateway"
)

// TestBuild checks that a build resolves each image once, returns metadata, and requests
// from the client only the files of the context that it uses.
func TestBuild(t *testing.T) {
	b := fakegateway.New("FROM a AS x\nFROM a\nCOPY --from=x b c\nCOPY d e\n", nil)
	res, err := Build(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(b.MetadataOptions()); n != 1 {
		t.Errorf("the image is resolved %d times, want once", n)
	}
	for _, key := range []string{"containerimage.config", "containerimage.base.config", "refs.platforms"} {
		if len(res.Metadata[key]) == 0 {
			t.Errorf("no metadata %s", key)
		}
	}
	context := string(joinOps(lastRequest(b).Definition))
	if !strings.Contains(context, `["d"]`) {
		t.Errorf("the context is not limited to the used paths")
	}
}

// TestMetadata checks the metadata that a build returns for exporters.
func TestMetadata(t *testing.T) {
	res, err := Build(context.Background(), fakegateway.New("FROM a\nENV b=c\n", map[string]string{
		"platform": "linux/arm64", "multi-platform": "true", "build-arg:SOURCE_DATE_EPOCH": "7",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var config, base struct{ Config struct{ Env []string } }
	for key, v := range map[string]any{"containerimage.config/linux/arm64": &config, "containerimage.base.config/linux/arm64": &base} {
		if err := json.Unmarshal(res.Metadata[key], v); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	if !slices.Contains(config.Config.Env, "b=c") || len(base.Config.Env) != 0 {
		t.Errorf("environment %v on the base %v, want b=c on an empty one", config, base)
	}
	want := map[string]string{
		"source.date.epoch/linux/arm64": "7",
		"refs.platforms":                `{"Platforms":[{"ID":"linux/arm64","Platform":{"architecture":"arm64","os":"linux"}}]}`,
	}
	for key, v := range want {
		if got := string(res.Metadata[key]); got != v {
			t.Errorf("%s is %s, want %s", key, got, v)
		}
	}
	if len(res.Metadata) != 4 || res.Ref != nil {
		t.Errorf("metadata %v, ref %v", res.Metadata, res.Ref)
	}
}

// TestExportPlatform checks the platform that exporters receive for a Windows image. It
// must include the OS version of the image, and its ID must be the ID of the requested
// platform.
func TestExportPlatform(t *testing.T) {
	image := ocispecs.Platform{OS: "windows", Architecture: "amd64", OSVersion: "10.0.1", OSFeatures: []string{"win32k"}}
	p := exportPlatform(ocispecs.Platform{OS: "windows", Architecture: "amd64"}, image)
	if p.ID != "windows/amd64" || p.Platform.OSVersion != "10.0.1" || len(p.Platform.OSFeatures) != 1 {
		t.Errorf("windows is %+v", p)
	}
	image.OS = "linux"
	if p = exportPlatform(ocispecs.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, image); p.ID != "linux/arm64" || p.Platform.OSVersion != "" {
		t.Errorf("linux is %+v", p)
	}
}

// TestTypedErrors checks that errors keep their types and locations when they are sent to
// the client.
func TestTypedErrors(t *testing.T) {
	for _, opts := range []map[string]string{{"requestid": "x"}, {"frontend.caps": "x"}} {
		_, err := Build(context.Background(), fakegateway.New("FROM a\n", opts))
		err = grpcerrors.FromGRPC(grpcerrors.ToGRPC(context.Background(), err))
		var request *errdefs.UnsupportedSubrequestError
		var cap *errdefs.UnsupportedFrontendCapError
		if !errors.As(err, &request) && !errors.As(err, &cap) {
			t.Errorf("%v: error %v after a round trip, want its type", opts, err)
		}
	}
	_, err := Build(context.Background(), fakegateway.New("FROM a\nCOPPY x y\n", nil))
	err = grpcerrors.FromGRPC(grpcerrors.ToGRPC(context.Background(), err))
	if s := errdefs.Sources(err); len(s) != 1 || s[0].Ranges[0].Start.Line != 2 {
		t.Errorf("locations %v after a round trip, want line 2", s)
	}
}

// TestDescribe checks that the subrequest describe lists all subrequests.
func TestDescribe(t *testing.T) {
	res, err := Build(context.Background(), fakegateway.New("FROM a\n", map[string]string{"requestid": "frontend.subrequests.describe"}))
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Name string }
	if err := json.Unmarshal(res.Metadata["result.json"], &list); err != nil || len(list) != len(allSubrequests()) {
		t.Errorf("subrequests %v, error %v, want all", list, err)
	}
	want := "NAME                 VERSION DESCRIPTION\n" +
		"outline              1.0.0   List all parameters current build target supports\n" +
		"targets              1.0.0   List all targets current build supports\n" +
		"lint                 1.0.0   Lint a Dockerfile\n" +
		"convertllb           0.1.0   Convert Dockerfile to LLB\n" +
		"eject                1.0.0   Print a Dockerfile without extensions of Slipway\n" +
		"plan                 1.0.0   List the steps of a build and what they use\n" +
		"graph                1.0.0   Show the graph of a build: text\n" +
		"graph.dot            1.0.0   Show the graph of a build: dot\n" +
		"graph.mermaid        1.0.0   Show the graph of a build: mermaid\n" +
		"graph.svg            1.0.0   Show the graph of a build: svg\n" +
		"graph.html           1.0.0   Show the graph of a build: html\n" +
		"subrequests.describe 1.0.0   List available subrequest types\n"
	if got := string(res.Metadata["result.txt"]); got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}

// lastRequest returns the last Solve request that the fake client b received.
func lastRequest(b *fakegateway.Client) client.SolveRequest {
	solved := b.SolveRequests()
	return solved[len(solved)-1]
}

// joinOps returns all operations in d as one byte slice.
func joinOps(d *pb.Definition) []byte {
	var all []byte
	for _, op := range d.Def {
		all = append(all, op...)
	}
	return all
}

// TestPlatforms checks that a build for two platforms returns a reference and an image
// config for each platform.
func TestPlatforms(t *testing.T) {
	b := fakegateway.New("FROM a\n", map[string]string{"platform": "linux/amd64,linux/arm64"})
	res, err := Build(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"linux/amd64", "linux/arm64"} {
		if _, ok := res.Refs[id]; !ok || len(res.Metadata["containerimage.config/"+id]) == 0 {
			t.Errorf("no result for %s", id)
		}
	}
}

// TestErrorLocations checks that clients receive one location for an error, with one
// range for each line of the instruction.
func TestErrorLocations(t *testing.T) {
	for _, tc := range []struct {
		text, want string
		lines      []int32
	}{
		{"FROM a\nCOPPY x y\n", "dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)", []int32{2}},
		{"FROM a\nENV x=1 \\\n  y\n", "Syntax error - can't find = in \"y\". Must be of the form: name=value", []int32{2, 3}},
		{"FROM a\nSTOPSIGNAL NO\n", "invalid signal: NO", []int32{2}},
		{"FROM a AS s\nCOPY \\\n  --from=s x y\n", "circular dependency detected on stage: s", []int32{2, 3}},
		{"FROM a\nEXPOSE 1 \\\n  80/x\n", "invalid port: \"80/x\": invalid proto: x", []int32{2, 3}},
	} {
		_, err := Build(context.Background(), fakegateway.New(tc.text, nil))
		if err == nil || err.Error() != tc.want {
			t.Errorf("%q: error %v, want %s", tc.text, err, tc.want)
			continue
		}
		sources := errdefs.Sources(err)
		if len(sources) != 1 || len(sources[0].Ranges) != len(tc.lines) || sources[0].Info.Definition == nil {
			t.Errorf("%q: locations %v", tc.text, sources)
			continue
		}
		for i, r := range sources[0].Ranges {
			if r.Start.Line != tc.lines[i] || r.End.Line != tc.lines[i] {
				t.Errorf("%q: range %v, want line %d", tc.text, r, tc.lines[i])
			}
		}
	}
}

// TestErrors checks errors that concern the whole Dockerfile, such as an empty one, and
// errors about options.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		b    *fakegateway.Client
		want string
	}{
		{fakegateway.New("", nil), "the Dockerfile cannot be empty"},
		{&fakegateway.Client{}, "failed to read dockerfile: file does not exist"},
		{&fakegateway.Client{Size: 17 << 20}, "failed to read dockerfile: Dockerfile exceeds maximum allowed size of 16777216 bytes"},
		{fakegateway.New("FROM a\n", map[string]string{"requestid": "x"}), "unsupported request x"},
		{fakegateway.New("FROM a\n", map[string]string{"frontend.caps": "x.y"}), "unsupported frontend capability x.y"},
		{fakegateway.New("FROM a\n", map[string]string{"context": "https://x/y.git?z=1"}), `unexpected query "z"`},
		{fakegateway.New("FROM a\n", map[string]string{"context:a": "what"}), "invalid context specifier what for a"},
		{fakegateway.New("FROM a\n", map[string]string{"context:a": "who:what"}), "unsupported context source who for a"},
	} {
		if _, err := Build(context.Background(), tc.b); err == nil || err.Error() != tc.want {
			t.Errorf("error %v, want %s", err, tc.want)
		}
	}
}

// TestRedirect checks that # syntax redirects a build with all its options to another
// frontend, and that a redirected build is not redirected again.
func TestRedirect(t *testing.T) {
	text := "# syntax=other/image:1 arg\nFROM a\n"
	b := fakegateway.New(text, map[string]string{"target": "t"})
	if _, err := Build(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	req := lastRequest(b)
	got := req.FrontendOpt
	if req.Frontend != "gateway.v0" || got["source"] != "other/image:1" || got["cmdline"] != "other/image:1 arg" || got["target"] != "t" {
		t.Errorf("redirected to %s with %v", req.Frontend, got)
	}
	if _, changed := b.Opts["source"]; changed {
		t.Error("Build modifies the options of the client")
	}
	b = fakegateway.New(text, map[string]string{"cmdline": "us"})
	if _, err := Build(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if req := lastRequest(b); req.Frontend != "" {
		t.Errorf("redirected to %s, want no second redirection", req.Frontend)
	}
	for ref, want := range map[string]string{"other/image:1": "gateway.v0", "ours:1": ""} {
		b = fakegateway.New("# syntax="+ref+"\nFROM a\n", nil)
		if _, err := (Builder{Follow: func(ref string) (bool, error) { return ref != "ours:1", nil }}).Build(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if req := lastRequest(b); req.Frontend != want {
			t.Errorf("%s: handed to %q, want %q", ref, req.Frontend, want)
		}
	}
	b = fakegateway.New("FROM a\n", map[string]string{"build-arg:BUILDKIT_SYNTAX": "x"})
	refuse := Builder{Follow: func(string) (bool, error) { return false, errors.New("refused") }}
	if _, err := refuse.Build(t.Context(), b); err == nil || err.Error() != "failed with build-arg:BUILDKIT_SYNTAX = x: refused" {
		t.Errorf("error %v", err)
	}
	_, err := refuse.Build(t.Context(), fakegateway.New("# syntax=x\nFROM a\n", nil))
	if s := errdefs.Sources(err); err == nil || len(s) != 1 || s[0].Ranges[0].Start.Line != 1 {
		t.Errorf("error %v at %v", err, s)
	}
	var cap *errdefs.UnsupportedFrontendCapError
	if _, missing := checkCaps("a+forward"); !errors.As(missing, &cap) {
		t.Errorf("missing capability is %v", missing)
	}
}
