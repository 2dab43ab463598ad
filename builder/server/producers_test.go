package server

import (
	"context"
	"encoding/json"
	"testing"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/pb"

	"slipway/builder"
)

// producedBy starts a build of the client c that makes a result, and calls use with this result
// while the build runs.
func producedBy(t *testing.T, c *client.Client, use func(input *pb.Definition)) {
	t.Helper()
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY <<EOF /f\ntext\nEOF\n"})) // without files of the session
	opt.Frontend = ""
	_, err := c.Build(t.Context(), opt, "test", func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		res, err := g.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: map[string]string{"build-arg:A": "private"}})
		if err != nil {
			return nil, err
		}
		st, err := res.Ref.ToState()
		if err != nil {
			return nil, err
		}
		def, err := st.Marshal(ctx)
		if err != nil {
			return nil, err
		}
		use(def.ToPB())
		return gateway.NewResult(), nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// provenance returns the provenance in the archive.
func (o *tarOutput) provenance(t *testing.T) (p types.ProvenancePredicateSLSA1) {
	t.Helper()
	statement := struct {
		Predicate *types.ProvenancePredicateSLSA1
	}{&p}
	if err := json.Unmarshal([]byte(o.files(t)["provenance.json"]), &statement); err != nil {
		t.Fatal(err)
	}
	return p
}

// producerOf builds a Dockerfile that uses the given result as an input, and returns the request that
// made the input according to the provenance.
func producerOf(t *testing.T, c *client.Client, input *pb.Definition) *types.RequestProvenance {
	t.Helper()
	op, err := llb.NewDefinitionOp(input)
	if err != nil {
		t.Fatal(err)
	}
	opt := dockerfileOpt(contextDir(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY --from=base / /\n"}))
	opt.FrontendAttrs["context:base"] = "input:in"
	opt.FrontendAttrs["attest:provenance"] = "mode=max"
	opt.FrontendInputs = map[string]llb.State{"in": llb.NewState(op)}
	var out tarOutput
	opt.Exports = []client.ExportEntry{out.entry()}
	if _, err := c.Solve(t.Context(), nil, opt, nil); err != nil {
		t.Fatal(err)
	}
	return out.provenance(t).BuildDefinition.ExternalParameters.Request.Inputs["in"]
}

// TestInputProducers checks that provenance names the request of another build that made an input,
// while this build runs.
func TestInputProducers(t *testing.T) {
	s := startServer(t, builder.Options{})
	var input *pb.Definition
	producedBy(t, s.Client, func(def *pb.Definition) {
		input = def
		if r := producerOf(t, s.Client, input); r == nil || r.Request.Frontend != "dockerfile.v0" || r.Request.Args["build-arg:A"] != "private" {
			t.Errorf("the input was made by %+v, want the request of the other build", r)
		}
	})
	if r := producerOf(t, s.Client, input); r != nil {
		t.Errorf("after the build, the input was made by %+v, want no request", r)
	}
}

// TestUnknownUser checks that users whom the server does not recognize in a later connection share
// no requests.
func TestUnknownUser(t *testing.T) {
	var p producers
	first, again, other := p.of("user 1"), p.of("user 1"), p.of("user 2")
	if first != again || first == other {
		t.Error("users do not have one record each")
	}
	if a := p.of(connectionPrefix + "1"); a != nil {
		t.Error("a connection has a record")
	}
}

// TestChooseBuiltin checks which requests for the frontend image dockerfile.v0 become requests for
// the built-in frontend.
func TestChooseBuiltin(t *testing.T) {
	for about, tc := range map[string]struct {
		name  string
		attrs map[string]string
		want  string
	}{
		"the built-in frontend":   {"gateway.v0", map[string]string{"source": "dockerfile.v0", "cmdline": "dockerfile.v0"}, "dockerfile.v0"},
		"an image":                {"gateway.v0", map[string]string{"source": "docker/dockerfile"}, "gateway.v0"},
		"a named context":         {"gateway.v0", map[string]string{"source": "dockerfile.v0", "context:dockerfile.v0": "x"}, "gateway.v0"},
		"of one platform":         {"gateway.v0", map[string]string{"source": "dockerfile.v0", "context:dockerfile.v0::linux/arm64": "x"}, "gateway.v0"},
		"another named context":   {"gateway.v0", map[string]string{"source": "dockerfile.v0", "context:dockerfile.v01": "x"}, "dockerfile.v0"},
		"a build with LLB":        {"", map[string]string{"source": "dockerfile.v0"}, ""},
		"nothing but the gateway": {"gateway.v0", nil, "gateway.v0"},
	} {
		req := &controlapi.SolveRequest{Frontend: tc.name, FrontendAttrs: tc.attrs}
		chooseBuiltin(req)
		if _, ok := req.FrontendAttrs["source"]; req.Frontend != tc.want || ok == (tc.want == "dockerfile.v0") && tc.attrs != nil {
			t.Errorf("%s: frontend %q with %v, want %q", about, req.Frontend, req.FrontendAttrs, tc.want)
		}
	}
}
