package provenance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// twoSteps returns a definition with two operations, and the digests of the operations.
func twoSteps(t *testing.T) (*pb.Definition, []digest.Digest) {
	t.Helper()
	def, err := llb.Scratch().File(llb.Mkfile("a", 0o644, nil)).File(llb.Mkfile("b", 0o644, nil)).Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return def.ToPB(), []digest.Digest{digest.FromBytes(def.Def[0]), digest.FromBytes(def.Def[1])}
}

// predicate returns the predicate of a build as clients decode it.
func predicate(t *testing.T, r Request, b Build) types.ProvenancePredicateSLSA1 {
	t.Helper()
	content, err := (&Capture{}).Predicate(r, b)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	var p types.ProvenancePredicateSLSA1
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLayers checks the layers of operations. Equal lists of an output count once, operations
// outside the definition do not count, and mode=min has no layers.
func TestLayers(t *testing.T) {
	def, ops := twoSteps(t)
	a, b, c := ocispecs.Descriptor{Digest: "sha256:a"}, ocispecs.Descriptor{Digest: "sha256:b"}, ocispecs.Descriptor{Digest: "sha256:c"}
	build := Build{Definition: def, Outputs: []Output{
		{ops[0], 0, []ocispecs.Descriptor{a}},
		{ops[0], 0, []ocispecs.Descriptor{a}},
		{ops[1], 1, []ocispecs.Descriptor{a, b}},
		{ops[1], 1, []ocispecs.Descriptor{a, c}},
		{"sha256:other", 0, []ocispecs.Descriptor{a}},
	}}
	want := map[string][][]ocispecs.Descriptor{"step0:0": {{a}}, "step1:1": {{a, b}, {a, c}}}
	if diff := cmp.Diff(want, predicate(t, Request{}, build).RunDetails.Metadata.BuildKitMetadata.Layers); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	if got := predicate(t, Request{Min: true}, build).RunDetails.Metadata.BuildKitMetadata.Layers; got != nil {
		t.Errorf("mode=min has the layers %v", got)
	}
}

// TestInputs checks that a request contains the requests that made its inputs, transitively, and
// that mode=min removes build arguments from all of them.
func TestInputs(t *testing.T) {
	request := func(arg string, inputs map[string]*FrontendRequest) FrontendRequest {
		return FrontendRequest{Name: "dockerfile.v0", Opts: map[string]string{"build-arg:A": arg, "target": arg}, Inputs: inputs}
	}
	inner := request("inner", nil)
	middle := request("middle", map[string]*FrontendRequest{"i": &inner})
	b := Build{Request: request("outer", map[string]*FrontendRequest{"m": &middle}), Root: &FrontendRequest{Inputs: map[string]*FrontendRequest{"r": &inner}}}
	own := predicate(t, Request{}, b).BuildDefinition.ExternalParameters.Request
	for arg, r := range map[string]*types.Parameters{
		"outer": &own, "middle": own.Inputs["m"].Request, "inner": own.Inputs["m"].Request.Inputs["i"].Request,
	} {
		if r.Frontend != "dockerfile.v0" || r.Args["build-arg:A"] != arg || r.Args["target"] != arg {
			t.Errorf("request %s is %+v", arg, r)
		}
	}
	if own.Root == nil || own.Root.Request.Inputs["r"].Request.Args["target"] != "inner" {
		t.Errorf("request of the client: %+v, want one with the input r", own.Root)
	}
	min := predicate(t, Request{Min: true}, Build{Request: FrontendRequest{Name: "x", Inputs: map[string]*FrontendRequest{"m": &middle}}})
	data, err := json.Marshal(min)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "build-arg") || !strings.Contains(string(data), `"target":"inner"`) || min.RunDetails.Metadata.Completeness.Request {
		t.Errorf("mode=min: %s", data)
	}
}

// TestReadEnv checks the properties of the machine: of JSON files only, in the order of their names.
// An error names the file.
func TestReadEnv(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.json", `{"a": 1, "b": {"x": 1}}`)
	write("b.json", `{"b": ["y"]}`)
	write("c.txt", "no JSON")
	if err := os.Mkdir(filepath.Join(dir, "d.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	got, err := ReadEnv(dir)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]any{"a": 1.0, "b": []any{"y"}}
	if diff := cmp.Diff(env, got); diff != "" {
		t.Errorf("properties (-want +got):\n%s", diff)
	}
	for _, version := range []types.ProvenanceSLSA{types.ProvenanceSLSA1, types.ProvenanceSLSA02} {
		content, err := (&Capture{}).Predicate(Request{Version: version, Min: true}, Build{Env: got})
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(content)
		if err != nil || !strings.Contains(string(data), `"a":1,"b":["y"],`) {
			t.Errorf("version %s: %s, %v, want the properties", version, data, err)
		}
	}
	write("e.json", `[]`)
	if _, err := ReadEnv(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "e.json")) || !strings.HasSuffix(err.Error(), "(want a JSON object)") {
		t.Errorf("error %v, want one about e.json", err)
	}
	if _, err := ReadEnv(filepath.Join(dir, "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("error %v, want one about the missing directory", err)
	}
}
