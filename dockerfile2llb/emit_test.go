package dockerfile2llb_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"google.golang.org/protobuf/proto"

	"slipway/dockerfile2llb"
	"slipway/ignore"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// world answers with the images of a case and a local context.
type world struct{ images *golden.Images }

func (w world) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	img, err := w.images.Resolve(ref, q.Platform)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Digest: img.Digest, Config: img.Config}, nil
}

func (world) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

func (world) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }
func (world) Ignore(context.Context) (*ignore.Matcher, error)           { return nil, nil }

func (world) State(_ context.Context, _ *plan.Input, used *plan.Paths) (llb.State, error) {
	return llb.Local("context", llb.FollowPaths(used.Filter())), nil
}

// marshal converts a case; nil if it is one of an error.
func marshal(t *testing.T, c *golden.Case, caps *apicaps.CapSet) []byte {
	t.Helper()
	text, ok := c.File("Dockerfile")
	if !ok {
		return nil
	}
	f, diags := parser.Parse(source.NewFile("Dockerfile", text))
	if diags.Err() != nil {
		return nil
	}
	d, diags := instructions.Parse(f)
	if diags.Err() != nil {
		return nil
	}
	images, err := c.Images()
	if err != nil {
		t.Fatal(err)
	}
	opt := dockerfile2llb.Options{Inputs: world{images}, Caps: caps}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	opt.Plan.BuildArgs = map[string]string{"HTTP_PROXY": "a", "http_proxy": "b", "NO_PROXY": "c", "X": "d"}
	res, err := dockerfile2llb.Convert(context.Background(), d, opt)
	if err != nil {
		return nil
	}
	def, err := res.State.Marshal(context.Background(), llb.LocalUniqueID("fixed"))
	if err != nil {
		return nil // RUN [] has no command to run
	}
	own, err := res.Marshal(context.Background(), llb.LocalUniqueID("fixed"))
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(own, def.ToPB()) {
		t.Errorf("%s: Marshal differs from the State's", c.Name)
	}
	return fmt.Appendf(bytes.Join(def.Def, nil), "%v", def.Metadata)
}

// TestDeterminism converts every case again and again, on one processor and on
// several: the result must be the same to the byte.
func TestDeterminism(t *testing.T) {
	cases, err := golden.Load("../testdata")
	if err != nil {
		t.Fatal(err)
	}
	caps := pb.Caps.CapSet(pb.Caps.All())
	converted := 0
	for _, c := range cases {
		first := marshal(t, c, &caps)
		if first == nil {
			continue
		}
		converted++
		for i := range 3 {
			before := runtime.GOMAXPROCS(1 + 7*(i%2))
			again := marshal(t, c, &caps)
			runtime.GOMAXPROCS(before)
			if !bytes.Equal(first, again) {
				t.Errorf("%s: two conversions differ", c.Name)
				break
			}
		}
	}
	if converted < 100 {
		t.Errorf("only %d cases were converted", converted)
	}
}

// TestOldDaemon checks the fallbacks for a daemon without newer capabilities.
func TestOldDaemon(t *testing.T) {
	text := "FROM scratch\nCOPY a b\nCOPY --link c d\nRUN --device=v/d=x --mount=target=/m,rw [\"y\"]\n"
	for _, tc := range []struct {
		about string
		caps  apicaps.CapSet
		want  bool // linked copies and devices
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
			t.Errorf("%s: merge %v, devices %v", tc.about, merge, devices)
		}
	}
}

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
	res, err := dockerfile2llb.Convert(context.Background(), d, dockerfile2llb.Options{Inputs: world{golden.DefaultImages()}, Caps: caps})
	if err != nil {
		t.Fatal(err)
	}
	// Marshalling itself must not refuse what the daemon lacks.
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
