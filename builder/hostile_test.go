package builder

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/testcontext"
	local "slipway/solver/gateway"
)

// foreignReference is a reference that the build's gateway client has not created.
type foreignReference struct{ gateway.Reference }

// TestOddResults checks that no result of a frontend makes a build panic. A malformed result
// may only make the build fail.
func TestOddResults(t *testing.T) {
	result := func(change func(*gateway.Result)) gateway.BuildFunc {
		return func(context.Context, gateway.Client) (*gateway.Result, error) {
			res := gateway.NewResult()
			change(res)
			return res, nil
		}
	}
	platforms := []byte(`{"Platforms":[{"ID":"a","Platform":{"architecture":"amd64","os":"linux"}}]}`)
	for about, tc := range map[string]struct {
		frontend gateway.BuildFunc
		fails    bool
	}{
		"nothing":                      {func(context.Context, gateway.Client) (*gateway.Result, error) { return nil, nil }, false},
		"an empty result":              {func(context.Context, gateway.Client) (*gateway.Result, error) { return &gateway.Result{}, nil }, false},
		"a nil reference":              {result(func(r *gateway.Result) { r.Ref = (*local.Reference)(nil) }), true},
		"an empty reference":           {result(func(r *gateway.Result) { r.Ref = &local.Reference{} }), true},
		"a foreign reference":          {result(func(r *gateway.Result) { r.Ref = foreignReference{} }), true},
		"references without platforms": {result(func(r *gateway.Result) { r.Refs = map[string]gateway.Reference{"a": nil} }), true},
		"no reference of a platform": {result(func(r *gateway.Result) {
			r.Refs = map[string]gateway.Reference{"a": nil}
			r.AddMeta(exptypes.ExporterPlatformsKey, platforms)
		}), false},
		"a nil reference of a platform": {result(func(r *gateway.Result) {
			r.Refs = map[string]gateway.Reference{"a": (*local.Reference)(nil)}
			r.AddMeta(exptypes.ExporterPlatformsKey, platforms)
		}), true},
		"platforms that are garbage": {result(func(r *gateway.Result) { r.AddMeta(exptypes.ExporterPlatformsKey, []byte("[")) }), true},
		"a config that is garbage":   {result(func(r *gateway.Result) { r.AddMeta(exptypes.ExporterImageConfigKey, []byte("null,")) }), true},
		"a config that is null":      {result(func(r *gateway.Result) { r.AddMeta(exptypes.ExporterImageConfigKey, []byte("null")) }), true},
		"locations that are nil": {func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			def, err := llb.Local("none").Marshal(ctx)
			if err != nil {
				return nil, err
			}
			d := def.ToPB()
			d.Source = &pb.Source{Infos: []*pb.SourceInfo{nil, {Data: []byte("x")}}, Locations: map[string]*pb.Locations{}}
			for _, data := range d.Def {
				d.Source.Locations[string(digest.FromBytes(data))] = &pb.Locations{Locations: []*pb.Location{nil, {SourceIndex: 1, Ranges: []*pb.Range{nil, {}}}}}
			}
			return c.Solve(ctx, gateway.SolveRequest{Definition: d, Evaluate: true})
		}, true},
	} {
		o := Options{
			Context: testcontext.New(t, "FROM scratch\n"), State: t.TempDir(), Runner: "portable", Now: time.Now,
			Frontend: tc.frontend, Describe: true,
		}
		panicked, err := withoutPanic(func() error {
			err := Run(t.Context(), o)
			if err != nil {
				_ = Report(&bytes.Buffer{}, err, false)
			}
			return err
		})
		if panicked != "" || (err != nil) != tc.fails {
			t.Errorf("%s: %v, panic %s; want an error: %t", about, err, panicked, tc.fails)
		}
	}
	if panicked, err := withoutPanic(func() error { return Run(t.Context(), Options{}) }); err == nil {
		t.Errorf("no options: no error; panic %s", panicked)
	}
	o := Options{Context: testcontext.New(t, "FROM scratch\n"), State: t.TempDir()}
	if _, err := withoutPanic(func() error { return Run(t.Context(), o) }); err == nil || err.Error() != "Options.Now is nil (use time.Now)" {
		t.Errorf("no clock: %v", err)
	}
}

// withoutPanic runs the given function and returns its error. If the function panics, the
// result panicked is the text of the panic value.
func withoutPanic(call func() error) (panicked string, err error) {
	defer func() {
		if v := recover(); v != nil {
			panicked = fmt.Sprintf("%v\n%s", v, debug.Stack())
		}
	}()
	return "", call()
}
