package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Solve implements [gwpb.LLBBridgeServer].
func (b *Bridge) Solve(ctx context.Context, req *gwpb.SolveRequest) (*gwpb.SolveResponse, error) {
	r := client.SolveRequest{
		Evaluate: req.Evaluate, Definition: req.Definition, Frontend: req.Frontend, FrontendOpt: req.FrontendOpt,
		FrontendInputs: req.FrontendInputs, SourcePolicies: req.SourcePolicies,
	}
	for _, c := range req.CacheImports {
		r.CacheImports = append(r.CacheImports, client.CacheOptionsEntry{Type: c.Type, Attrs: c.Attrs})
	}
	res, err := b.client.Solve(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(res.Refs) > 0 && !req.AllowResultReturn {
		return nil, errors.New("solve did not return default result")
	}
	out, err := b.addResult(res)
	if err != nil {
		return nil, err
	}
	if req.Final {
		if err := b.returnFinal(res, req.ExporterAttr); err != nil {
			return nil, err
		}
	}
	resp := &gwpb.SolveResponse{Result: out}
	if !req.AllowResultReturn {
		resp.Ref = out.GetRef().GetId()
	}
	if !req.AllowResultArrayRef {
		removeDefinitions(out)
	}
	return resp, nil
}

// addResult assigns IDs to the references of a result. It returns the message with the
// result, in which IDs represent the references.
func (b *Bridge) addResult(res *client.Result) (*gwpb.Result, error) {
	out := &gwpb.Result{Metadata: res.Metadata}
	if res.Refs == nil {
		out.Result = &gwpb.Result_Ref{Ref: b.addRef(res.Ref)}
	} else {
		refs := make(map[string]*gwpb.Ref, len(res.Refs))
		for _, key := range slices.Sorted(maps.Keys(res.Refs)) {
			refs[key] = b.addRef(res.Refs[key])
		}
		out.Result = &gwpb.Result_Refs{Refs: &gwpb.RefMap{Refs: refs}}
	}
	for _, key := range slices.Sorted(maps.Keys(res.Attestations)) {
		if out.Attestations == nil {
			out.Attestations = map[string]*gwpb.Attestations{}
		}
		out.Attestations[key] = &gwpb.Attestations{}
		for _, a := range res.Attestations[key] {
			to, err := client.AttestationToPB(&a)
			if err != nil {
				return nil, err
			}
			if a.Ref != nil {
				to.Ref = b.addRef(a.Ref)
			}
			out.Attestations[key].Attestation = append(out.Attestations[key].Attestation, to)
		}
	}
	return out, nil
}

// removeDefinitions changes a message with a result: it replaces each reference by the ID of
// the reference. Frontends from before BuildKit 0.8 cannot read the definitions of
// references.
func removeDefinitions(res *gwpb.Result) {
	switch r := res.Result.(type) {
	case *gwpb.Result_Ref:
		res.Result = &gwpb.Result_RefDeprecated{RefDeprecated: r.Ref.Id}
	case *gwpb.Result_Refs:
		ids := make(map[string]string, len(r.Refs.Refs))
		for key, ref := range r.Refs.Refs {
			ids[key] = ref.Id
		}
		res.Result = &gwpb.Result_RefsDeprecated{RefsDeprecated: &gwpb.RefMapDeprecated{Refs: ids}}
	}
}

// returnFinal makes res the result of the frontend. Frontends from before BuildKit 0.4
// request this in their last Solve request instead of calling Return. The parameter attrs
// contains additional metadata as JSON.
func (b *Bridge) returnFinal(res *client.Result, attrs []byte) error {
	md := map[string][]byte{}
	if len(attrs) > 0 {
		if err := json.Unmarshal(attrs, &md); err != nil {
			return status.Errorf(codes.InvalidArgument, "exporter attributes: %v", err)
		}
	}
	maps.Copy(md, res.Metadata)
	return b.setResult(&client.Result{Ref: res.Ref, Metadata: md}, nil)
}

// Return implements [gwpb.LLBBridgeServer].
func (b *Bridge) Return(_ context.Context, req *gwpb.ReturnRequest) (*gwpb.ReturnResponse, error) {
	if e := req.Error; e != nil {
		err := grpcerrors.FromGRPC(status.ErrorProto(&spb.Status{Code: e.Code, Message: e.Message, Details: e.Details}))
		if err == nil {
			return nil, status.Error(codes.InvalidArgument, "the returned error has code 0, which means success")
		}
		return &gwpb.ReturnResponse{}, b.setResult(nil, err)
	}
	if req.Result == nil {
		return nil, status.Error(codes.InvalidArgument, "result is required")
	}
	res, err := b.resultOf(req.Result)
	if err != nil {
		return nil, err
	}
	return &gwpb.ReturnResponse{}, b.setResult(res, nil)
}

// setResult records the result or the error that the frontend returns. A second call returns
// an error.
func (b *Bridge) setResult(res *client.Result, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.returned {
		return status.Error(codes.FailedPrecondition, "gateway result is already set")
	}
	b.result, b.err, b.returned = res, err, true
	close(b.done)
	return nil
}

// resultOf converts a message with a result of the frontend. It returns an error if the
// message contains an unknown reference.
func (b *Bridge) resultOf(in *gwpb.Result) (*client.Result, error) {
	res := &client.Result{Metadata: in.Metadata}
	if err := b.setRefs(res, in); err != nil {
		return nil, err
	}
	for key, list := range in.Attestations {
		for _, from := range list.GetAttestation() {
			a, err := client.AttestationFromPB[client.Reference](from)
			if err != nil {
				return nil, err
			}
			if a.Ref, err = b.refOrNil(from.GetRef().GetId()); err != nil {
				return nil, err
			}
			res.AddAttestation(key, *a)
		}
	}
	return res, nil
}

// setRefs adds to res the references whose IDs a message of the frontend contains. It returns
// an error for an unknown ID.
func (b *Bridge) setRefs(res *client.Result, in *gwpb.Result) error {
	ids := map[string]string{} // by key
	switch r := in.Result.(type) {
	case nil:
		return nil
	case *gwpb.Result_RefDeprecated:
		return b.setRef(res, r.RefDeprecated)
	case *gwpb.Result_Ref:
		return b.setRef(res, r.Ref.GetId())
	case *gwpb.Result_RefsDeprecated:
		ids = r.RefsDeprecated.GetRefs()
	case *gwpb.Result_Refs:
		for key, ref := range r.Refs.GetRefs() {
			ids[key] = ref.GetId()
		}
	}
	for key, id := range ids {
		ref, err := b.refOrNil(id)
		if err != nil {
			return err
		}
		res.AddRef(key, ref)
	}
	return nil
}

// setRef makes the reference with the given ID the only reference of res. If the ID is "", it
// does nothing.
func (b *Bridge) setRef(res *client.Result, id string) error {
	ref, err := b.refOrNil(id)
	if err == nil && ref != nil {
		res.SetRef(ref)
	}
	return err
}

// Evaluate implements [gwpb.LLBBridgeServer].
func (b *Bridge) Evaluate(ctx context.Context, req *gwpb.EvaluateRequest) (*gwpb.EvaluateResponse, error) {
	ref, err := b.ref(req.Ref)
	if err != nil {
		return nil, err
	}
	return &gwpb.EvaluateResponse{}, ref.Evaluate(ctx)
}
