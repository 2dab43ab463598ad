//go:build integration

package cachekeys

import (
	"maps"
	"slices"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"slipway/integration/differential"
	"slipway/internal/golden"
	"slipway/solver/cachemap"
)

// passthrough returns a passthrough operation, which no Dockerfile contains.
func passthrough(t *testing.T) []byte {
	t.Helper()
	data, err := (&pb.Op{
		Inputs: []*pb.Input{{}, {}},
		Op:     &pb.Op_Passthrough{Passthrough: &pb.PassthroughOp{Id: "p", Outputs: []int64{1}}},
	}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// operations returns the LLB operations of all test cases in testdata, without duplicates, and a
// passthrough operation.
func operations(t *testing.T) [][]byte {
	t.Helper()
	seen := map[string]bool{}
	for _, c := range golden.Cases(t) {
		r, err := differential.Run(t.Context(), differential.Ours(), c, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, def := range r.Results {
			for _, data := range def.GetDef() {
				seen[string(data)] = true
			}
		}
	}
	list := [][]byte{passthrough(t)}
	for _, data := range slices.Sorted(maps.Keys(seen)) {
		list = append(list, []byte(data))
	}
	return list
}

// TestOperations checks that our cache maps equal BuildKit's for the LLB operations of all
// test cases in testdata.
func TestOperations(t *testing.T) {
	o := startOracle(t)
	compared := 0
	for _, data := range operations(t) {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			t.Fatal(err)
		}
		if op.Op == nil || op.GetSource() != nil {
			continue
		}
		want := o.ask(t, question{Op: data})
		got, err := cachemap.Of(&op)
		if (err == nil) != (want.Error == "") || err != nil {
			t.Errorf("%v: error %v, BuildKit's is %s", &op, err, want.Error)
			continue
		}
		same := got.Digest == want.Digest && len(got.Inputs) == len(want.Inputs)
		for i, in := range want.Inputs {
			same = same && got.Inputs[i].Selector == in.Selector && got.Inputs[i].ByContent == in.ByContent
		}
		if !same {
			t.Errorf("%v:\nBuildKit %+v\nours     %+v", &op, want, got)
		}
		compared++
	}
	if compared < 500 {
		t.Errorf("only %d operations were compared", compared)
	}
}
