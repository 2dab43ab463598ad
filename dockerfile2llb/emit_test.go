package dockerfile2llb_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"google.golang.org/protobuf/proto"

	"slipway/diag"
	"slipway/dockerfile2llb"
	"slipway/ignore"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/internal/slowtest"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// inputs is an Inputs that provides the images of a test case and a local main context.
type inputs struct{ images *golden.Images }

func (w inputs) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	img, err := w.images.Resolve(ref, q.Platform)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Digest: img.Digest, Config: img.Config}, nil
}

func (inputs) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

func (inputs) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }
func (inputs) Ignore(context.Context) (*ignore.Matcher, error)           { return nil, nil }

func (inputs) State(_ context.Context, _ *plan.Input, used *plan.Paths) (llb.State, error) {
	return llb.Local("context", llb.FollowPaths(used.Filter())), nil
}

// marshal converts a test case to LLB and returns the operations, metadata and configs as
// bytes. If the conversion fails, it returns the text of the error instead, and converted
// is false.
func marshal(t *testing.T, c *golden.Case, caps *apicaps.CapSet) (out []byte, converted bool) {
	t.Helper()
	text, _ := c.File("Dockerfile")
	images, err := c.Images()
	if err != nil {
		t.Fatal(err)
	}
	opt := dockerfile2llb.Options{Inputs: inputs{images}, Caps: caps}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	opt.Plan.Labels = map[string]string{"x": "1", "y": "2", "z": "3"}
	opt.Plan.NoCache.Stages = []string{"build", "a"}
	opt.Plan.BuildArgs = map[string]string{"HTTP_PROXY": "a", "http_proxy": "b", "NO_PROXY": "c", "X": "d"}
	for k, v := range c.Opts {
		if k, ok := strings.CutPrefix(k, "build-arg:"); ok {
			opt.Plan.BuildArgs[k] = v
		}
	}
	f, diags := parser.Parse(source.NewFile("Dockerfile", text))
	if diags.Err() != nil {
		return failure(diags.Err()), false
	}
	d, diags := instructions.Parse(f)
	if diags.Err() != nil {
		return failure(diags.Err()), false
	}
	res, err := dockerfile2llb.Convert(t.Context(), d, opt)
	if err != nil {
		return failure(err), false
	}
	def, err := res.State.Marshal(t.Context(), llb.LocalUniqueID("fixed"))
	if err != nil {
		return failure(err), false // RUN [] has no command to run
	}
	own, err := res.Marshal(t.Context(), llb.LocalUniqueID("fixed"))
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(own, def.ToPB()) {
		t.Errorf("%s: Conversion.Marshal differs from State.Marshal", c.Name)
	}
	config, err := json.Marshal([]*plan.Image{res.Image, res.BaseImage})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(bytes.Join(def.Def, nil), "%v %s", def.Metadata, config), true
}

// failure formats an error with its source locations.
func failure(err error) []byte {
	out := []byte(err.Error())
	if d, ok := errors.AsType[*diag.Diagnostic](err); ok {
		out = fmt.Appendf(out, " %d-%d %v", d.Range.Start, d.Range.End, d.Lines())
	}
	return out
}

// TestDeterminism checks that repeated conversions yield identical operations, metadata,
// configs and errors. It converts every case twice, with one and with several processors,
// and some cases a hundred times.
func TestDeterminism(t *testing.T) {
	slowtest.Skip(t, "repeats every case")
	cases, err := golden.Load("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	caps := pb.Caps.CapSet(pb.Caps.All())
	converted := 0
	first := make([][]byte, len(cases))
	for i, c := range cases {
		var ok bool
		if first[i], ok = marshal(t, c, &caps); ok {
			converted++
		}
	}
	for _, procs := range []int{1, 8} {
		before := runtime.GOMAXPROCS(procs)
		for i, c := range cases {
			times := 1
			if i%100 == 0 {
				times = 50
			}
			for range times {
				if again, _ := marshal(t, c, &caps); !bytes.Equal(first[i], again) {
					t.Errorf("%s: a repeated conversion differs", c.Name)
					break
				}
			}
		}
		runtime.GOMAXPROCS(before)
	}
	if converted < len(cases)/2 {
		t.Errorf("only %d of %d cases were converted", converted, len(cases))
	}
}

// TestOldDaemon checks that the conversion avoids optional capabilities that the daemon
// lacks.
func TestOldDaemon(t *testing.T) {
	text := "FROM scratch\nCOPY a b\nCOPY --link c d\nRUN --device=v/d=x --mount=target=/m,rw [\"y\"]\n"
	for _, tc := range []struct {
		name string
		caps apicaps.CapSet
		want bool // whether linked copies and devices are used
	}{
		{"new daemon", pb.Caps.CapSet(pb.Caps.All()), true},
		{"old daemon", pb.Caps.CapSet(nil), false},
	} {
		merge, devices := false, false
		for _, op := range convert(t, text, &tc.caps) {
			merge = merge || op.GetMerge() != nil
			devices = devices || len(op.GetExec().GetCdiDevices()) > 0
		}
		if merge != tc.want || devices != tc.want {
			t.Errorf("%s: merge %v, devices %v, want %v", tc.name, merge, devices, tc.want)
		}
	}
}

// convert returns the operations of a Dockerfile for a daemon with the given
// capabilities.
func convert(t *testing.T, text string, caps *apicaps.CapSet) []*pb.Op {
	t.Helper()
	f, diags := parser.Parse(source.NewFile("Dockerfile", []byte(text)))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	res, err := dockerfile2llb.Convert(context.Background(), d, dockerfile2llb.Options{Inputs: inputs{golden.DefaultImages()}, Caps: caps})
	if err != nil {
		t.Fatal(err)
	}
	// Without capabilities, Marshal does not reject operations that the daemon lacks.
	def, err := llb.NewState(res.State.Output()).Marshal(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var ops []*pb.Op
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, &op)
	}
	return ops
}
