package gateway

import (
	"maps"
	"slices"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

// TestProducers checks which request is recorded as the origin of an input. An input that no
// request or different requests made must be omitted, and a removed record must be forgotten.
func TestProducers(t *testing.T) {
	define := func(name string) *pb.Definition {
		def, err := llb.Scratch().File(llb.Mkfile(name, 0o644, nil)).Marshal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return def.ToPB()
	}
	request := func(target string, inputs map[string]*FrontendRequest) *FrontendRequest {
		return &FrontendRequest{Name: "dockerfile.v0", Opts: map[string]string{"target": target}, Inputs: inputs}
	}
	a, b, c := define("a"), define("b"), define("c")
	p := &Producers{}
	first := request("a", map[string]*FrontendRequest{"in": request("x", nil)})
	removes := []func(){
		p.add(a, first),
		p.add(a, request("a", map[string]*FrontendRequest{"in": request("x", nil)})), // equal to the first
		p.add(b, request("b", nil)),
		p.add(b, request("b", map[string]*FrontendRequest{"in": request("x", nil)})),
		p.add(nil, first),
		p.add(&pb.Definition{Def: [][]byte{{0xff}}}, first),
	}
	inputs := map[string]*pb.Definition{"a": a, "b": b, "c": c, "empty": {}, "nil": nil, "invalid": {Def: [][]byte{{0xff}}}}
	got := p.of(inputs)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, []string{"a"}) || got["a"] != first {
		t.Errorf("requests for the inputs %v: %v, want only the one for a", names, got)
	}
	removes[2]()
	if got := p.of(inputs); got["b"] == nil || len(got["b"].Inputs) != 1 {
		t.Errorf("after one of two requests was removed: %v, want the other one", got["b"])
	}
	for i, remove := range removes {
		if i != 2 {
			remove()
		}
	}
	if got := p.of(inputs); got != nil || len(p.requests) > 0 {
		t.Errorf("after all requests were removed: %v, %d results", got, len(p.requests))
	}
}
