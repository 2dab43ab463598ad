package gateway_test

import (
	"context"
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/gateway"
	"slipway/solver/runner/script"
)

// foreignReference is a reference from another client implementation.
type foreignReference struct{ client.Reference }

// TestBadCalls checks that calling the gateway with missing or invalid values returns an
// error and never panics.
func TestBadCalls(t *testing.T) {
	m := newTestSolver(t, script.Step{Run: "*"})
	c := m.client(t.TempDir(), nil)
	ctx := t.Context()
	def, err := llb.Image("busybox").Marshal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var last string
	for name := range def.Metadata {
		last = string(name)
	}
	located := func(infos []*pb.SourceInfo, list ...*pb.Location) *pb.Definition {
		d := def.ToPB()
		d.Source = &pb.Source{Infos: infos, Locations: map[string]*pb.Locations{last: {Locations: list}}}
		for _, data := range d.Def {
			d.Source.Locations[string(digest.FromBytes(data))] = &pb.Locations{Locations: list}
		}
		return d
	}
	solve := func(req client.SolveRequest) func() error {
		return func() error { _, err := c.Solve(ctx, req); return err }
	}
	contain := func(req client.NewContainerRequest) func() error {
		return func() error { _, err := c.NewContainer(ctx, req); return err }
	}
	resolve := func(op *pb.SourceOp, opt sourceresolver.Opt) func() error {
		return func() error { _, err := c.ResolveSourceMetadata(ctx, op, opt); return err }
	}
	start := func(req client.StartRequest) func() error {
		return func() error {
			box := root(t, c, llb.Scratch())
			defer box.Release(ctx) //nolint:errcheck // the process failed
			p, err := box.Start(ctx, req)
			if err != nil {
				return err
			}
			return p.Wait()
		}
	}
	rootMount := client.Mount{Dest: "/"}
	for about, call := range map[string]func() error{
		"location nil":             solve(client.SolveRequest{Definition: located([]*pb.SourceInfo{{}}, nil), Evaluate: true}),
		"source nil":               solve(client.SolveRequest{Definition: located([]*pb.SourceInfo{nil}, &pb.Location{}), Evaluate: true}),
		"policy nil":               solve(client.SolveRequest{Definition: def.ToPB(), SourcePolicies: []*spb.Policy{nil}}),
		"rule nil":                 solve(client.SolveRequest{Definition: def.ToPB(), SourcePolicies: []*spb.Policy{{Rules: []*spb.Rule{nil}}}}),
		"selector nil":             solve(client.SolveRequest{Definition: def.ToPB(), SourcePolicies: []*spb.Policy{{Rules: []*spb.Rule{{}}}}}),
		"operation nil":            solve(client.SolveRequest{Definition: &pb.Definition{Def: [][]byte{nil}}}),
		"frontend unknown":         solve(client.SolveRequest{Frontend: "none", FrontendInputs: map[string]*pb.Definition{"a": nil}}),
		"source op nil":            resolve(nil, sourceresolver.Opt{}),
		"source op empty":          resolve(&pb.SourceOp{}, sourceresolver.Opt{}),
		"source policy nil":        resolve(&pb.SourceOp{Identifier: "docker-image://x"}, sourceresolver.Opt{SourcePolicies: []*spb.Policy{nil}}),
		"source rule nil":          resolve(&pb.SourceOp{Identifier: "docker-image://x"}, sourceresolver.Opt{SourcePolicies: []*spb.Policy{{Rules: []*spb.Rule{nil}}}}),
		"git without anything":     resolve(&pb.SourceOp{Identifier: "git://"}, sourceresolver.Opt{GitOpt: &sourceresolver.ResolveGitOpt{}}),
		"http without anything":    resolve(&pb.SourceOp{Identifier: "http://"}, sourceresolver.Opt{HTTPOpt: &sourceresolver.ResolveHTTPOpt{ChecksumReq: &sourceresolver.ResolveHTTPChecksumRequest{}}}),
		"layout without anything":  resolve(&pb.SourceOp{Identifier: "oci-layout://"}, sourceresolver.Opt{OCILayoutOpt: &sourceresolver.ResolveOCILayoutOpt{}}),
		"host nil":                 contain(client.NewContainerRequest{Mounts: []client.Mount{rootMount}, ExtraHosts: []*pb.HostIP{nil}}),
		"reference typed nil":      contain(client.NewContainerRequest{Mounts: []client.Mount{{Dest: "/", Ref: (*gateway.Reference)(nil)}}}),
		"reference empty":          contain(client.NewContainerRequest{Mounts: []client.Mount{{Dest: "/", Ref: &gateway.Reference{}}}}),
		"reference foreign":        contain(client.NewContainerRequest{Mounts: []client.Mount{{Dest: "/", Ref: foreignReference{}}}}),
		"cache without options":    contain(client.NewContainerRequest{Mounts: []client.Mount{rootMount, {Dest: "/c", MountType: pb.MountType_CACHE, Ref: (*gateway.Reference)(nil)}}}),
		"secret without options":   contain(client.NewContainerRequest{Mounts: []client.Mount{rootMount, {Dest: "/s", MountType: pb.MountType_SECRET}}}),
		"agent without options":    contain(client.NewContainerRequest{Mounts: []client.Mount{rootMount, {Dest: "/a", MountType: pb.MountType_SSH}}}),
		"mount of no kind":         contain(client.NewContainerRequest{Mounts: []client.Mount{rootMount, {Dest: "/x", MountType: 99}}}),
		"mount below a file":       contain(client.NewContainerRequest{Mounts: []client.Mount{rootMount, {Dest: "", MountType: pb.MountType_TMPFS}}, Platform: &pb.Platform{OS: "plan9"}}),
		"process without anything": start(client.StartRequest{}),
		"secret nil":               start(client.StartRequest{Args: []string{"x"}, SecretEnv: []*pb.SecretEnv{nil}}),
		"directory relative":       start(client.StartRequest{Args: []string{"x"}, Cwd: "../..", SecurityMode: 99}),
		"image without a name": func() error {
			_, _, _, err := c.ResolveImageConfig(ctx, "", sourceresolver.Opt{})
			return err
		},
		"input nil": func() error {
			_, err := gateway.New(gateway.Options{Inputs: map[string]*pb.Definition{"a": nil, "b": {}, "c": {Def: [][]byte{{0xff}}}}}).Inputs(ctx)
			return err
		},
		"reference of nothing": func() error { return referenceCalls(ctx, nil) },
		"reference empty used": func() error { return referenceCalls(ctx, &gateway.Reference{}) },
	} {
		if panicked, err := withoutPanic(call); err == nil {
			t.Errorf("%s: no error; panic %s", about, panicked)
		}
	}
}

// referenceCalls calls the methods of the reference r until one succeeds, and then
// returns nil. If all of them fail, it returns the error of the last one. The methods of an
// invalid reference must fail without a panic.
func referenceCalls(ctx context.Context, r *gateway.Reference) error {
	if _, err := r.ReadFile(ctx, client.ReadRequest{Filename: "x"}); err == nil {
		return nil
	}
	if _, err := r.StatFile(ctx, client.StatRequest{Path: "x"}); err == nil {
		return nil
	}
	if _, err := r.ReadDir(ctx, client.ReadDirRequest{Path: "x"}); err == nil {
		return nil
	}
	if _, err := r.ToState(); err == nil {
		return nil
	}
	return r.Evaluate(ctx)
}

// withoutPanic calls the function call and returns its error. If call panics, withoutPanic
// returns the panic value and the stack as panicked.
func withoutPanic(call func() error) (panicked string, err error) {
	defer func() {
		if v := recover(); v != nil {
			panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	return "", call()
}
