package gateway_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver"
	"slipway/solver/gateway"
	"slipway/solver/llbsource"
)

// TestPredictPolicy checks that a prediction applies the source policies of the build, and has the
// digests of the definition before the policies.
func TestPredictPolicy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	defer server.Close()
	m := newTestSolver(t)
	src := &llbsource.Sources{Store: m.store, Cache: m.cache, HTTP: server.Client()}
	policy := &spb.Policy{Rules: []*spb.Rule{{
		Action:   spb.PolicyAction_CONVERT,
		Selector: &spb.Selector{Identifier: server.URL + "/old"},
		Updates:  &spb.Update{Identifier: server.URL + "/new"},
	}}}
	c := gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src, Policies: []*spb.Policy{policy}})
	state := llb.Scratch().File(llb.Copy(llb.HTTP(server.URL+"/old"), "/", "/x"))
	def, err := state.Marshal(t.Context(), llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	states := func() (list []solver.PredictedState) {
		t.Helper()
		p, err := c.Predict(t.Context(), def.ToPB())
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range def.Def[:len(def.Def)-1] { // the last one is the result
			list = append(list, p.Vertices[digest.FromBytes(data)].State)
		}
		return list
	}
	if got := fmt.Sprint(states()); got != fmt.Sprint([]solver.PredictedState{solver.PredictedMiss, solver.PredictedUnknown}) {
		t.Errorf("before the build: %s", got)
	}
	if _, err := c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB(), Evaluate: true}); err != nil {
		t.Fatal(err)
	}
	c = gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src, Policies: []*spb.Policy{policy}})
	if got := fmt.Sprint(states()); got != fmt.Sprint([]solver.PredictedState{solver.PredictedHit, solver.PredictedHit}) {
		t.Errorf("after the build: %s", got)
	}
	if _, err := c.Predict(t.Context(), &pb.Definition{Def: [][]byte{{1}}}); err == nil {
		t.Error("an invalid definition is no error")
	}
}
