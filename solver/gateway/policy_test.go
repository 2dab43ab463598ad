package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/moby/buildkit/sourcepolicy/policysession"
	"github.com/opencontainers/go-digest"

	"slipway/solver/gateway"
	"slipway/solver/llbsource"
)

// decision returns a response of a verifier.
func decision(action spb.PolicyAction, update *pb.SourceOp) *policysession.CheckPolicyResponse {
	return &policysession.CheckPolicyResponse{Result: &policysession.CheckPolicyResponse_Decision{
		Decision: &policysession.DecisionResponse{Action: action, Update: update, DenyMessages: []*policysession.DenyMessage{{Message: "not today"}}},
	}}
}

// TestVerifier checks that a verifier can deny a source, replace it and ask for its metadata, and
// that a verifier without an end is an error.
func TestVerifier(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	defer server.Close()
	url := server.URL
	ask := func(op *pb.SourceOp) *policysession.CheckPolicyResponse {
		return &policysession.CheckPolicyResponse{Result: &policysession.CheckPolicyResponse_Request{
			Request: &gwpb.ResolveSourceMetaRequest{Source: op},
		}}
	}
	at := func(op *pb.SourceOp, path string) *pb.SourceOp {
		return &pb.SourceOp{Identifier: url + path, Attrs: op.Attrs}
	}
	for _, tc := range []struct {
		name  string
		check func(src *gwpb.ResolveSourceMetaResponse, calls int) (*policysession.CheckPolicyResponse, error)
		want  string // content of the source, or a part of the error
	}{
		{"allow", func(*gwpb.ResolveSourceMetaResponse, int) (*policysession.CheckPolicyResponse, error) {
			return decision(spb.PolicyAction_ALLOW, nil), nil
		}, "/old"},
		{"deny", func(*gwpb.ResolveSourceMetaResponse, int) (*policysession.CheckPolicyResponse, error) {
			return decision(spb.PolicyAction_DENY, nil), nil
		}, "not allowed by policy: action DENY"},
		{"error", func(*gwpb.ResolveSourceMetaResponse, int) (*policysession.CheckPolicyResponse, error) {
			return nil, errors.New("the verifier is away")
		}, "the verifier is away"},
		{"convert", func(src *gwpb.ResolveSourceMetaResponse, _ int) (*policysession.CheckPolicyResponse, error) {
			if src.Source.Identifier == url+"/new" {
				return decision(spb.PolicyAction_ALLOW, nil), nil
			}
			return decision(spb.PolicyAction_CONVERT, at(src.Source, "/new")), nil
		}, "/new"},
		{"convert to nothing", func(*gwpb.ResolveSourceMetaResponse, int) (*policysession.CheckPolicyResponse, error) {
			return decision(spb.PolicyAction_CONVERT, nil), nil
		}, "convert action requires updated source"},
		{"convert always", func(src *gwpb.ResolveSourceMetaResponse, _ int) (*policysession.CheckPolicyResponse, error) {
			return decision(spb.PolicyAction_CONVERT, src.Source), nil
		}, "too many policy requests"},
		{"metadata", func(src *gwpb.ResolveSourceMetaResponse, calls int) (*policysession.CheckPolicyResponse, error) {
			switch calls {
			case 1:
				return ask(src.Source), nil
			case 2:
				return decision(spb.PolicyAction_CONVERT, at(src.Source, "/"+src.HTTP.GetChecksum())), nil
			}
			return decision(spb.PolicyAction_ALLOW, nil), nil
		}, "/" + digest.FromString("/old").String()},
		{"metadata of another source", func(src *gwpb.ResolveSourceMetaResponse, _ int) (*policysession.CheckPolicyResponse, error) {
			return ask(at(src.Source, "/other")), nil
		}, "policy requested a different source"},
		{"no decision", func(*gwpb.ResolveSourceMetaResponse, int) (*policysession.CheckPolicyResponse, error) {
			return &policysession.CheckPolicyResponse{}, nil
		}, "no decision in policy response"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newTestSolver(t)
			src := &llbsource.Sources{Store: m.store, Cache: m.cache, HTTP: server.Client()}
			var mu sync.Mutex
			calls := 0
			c := gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src, Verify: func(_ context.Context, req *policysession.CheckPolicyRequest) (*policysession.CheckPolicyResponse, error) {
				mu.Lock()
				defer mu.Unlock()
				calls++
				return tc.check(req.Source, calls)
			}})
			def, err := llb.Scratch().File(llb.Copy(llb.HTTP(url+"/old", llb.Filename("f")), "f", "/f")).Marshal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			res, err := c.Solve(t.Context(), client.SolveRequest{Definition: def.ToPB()})
			if err == nil {
				got, err = res.Ref.ReadFile(t.Context(), client.ReadRequest{Filename: "f"})
			}
			if err != nil {
				got = []byte(err.Error())
			}
			if !strings.HasSuffix(string(got), tc.want) && (err == nil || !strings.Contains(string(got), tc.want)) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if tc.name == "deny" && len(policysession.DenyMessages(err)) != 1 {
				t.Errorf("the error has the messages %v", policysession.DenyMessages(err))
			}
		})
	}
}

// TestVerifyMetadata checks that a verifier decides about requests for metadata, too, and gets the
// canonical name of a git source and the source of its bundle.
func TestVerifyMetadata(t *testing.T) {
	const bundle = "oci-layout+blob://local/b@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	m := newTestSolver(t)
	src := &llbsource.Sources{Store: m.store, Cache: m.cache}
	var seen []string
	c := gateway.New(gateway.Options{Build: m.solver(src), Store: m.store, Sources: src, Verify: func(_ context.Context, req *policysession.CheckPolicyRequest) (*policysession.CheckPolicyResponse, error) {
		op := req.Source.Source
		seen = append(seen, op.Identifier+" "+op.Attrs[pb.AttrOCILayoutStoreID])
		action := spb.PolicyAction_ALLOW
		if op.Identifier == bundle {
			action = spb.PolicyAction_DENY
		}
		return decision(action, nil), nil
	}})
	_, err := c.ResolveSourceMetadata(t.Context(), &pb.SourceOp{
		Identifier: "git://example.com/a/../r.git#main:../d", Attrs: map[string]string{pb.AttrGitBundle: bundle},
	}, sourceresolver.Opt{})
	if err == nil || !strings.Contains(err.Error(), "git bundle: source \""+bundle+"\" not allowed by policy") {
		t.Errorf("got error %v", err)
	}
	if got, want := strings.Join(seen, ", "), "git://example.com/r.git#main:d , "+bundle+" local/b"; got != want {
		t.Errorf("the verifier saw %q, want %q", got, want)
	}
}
