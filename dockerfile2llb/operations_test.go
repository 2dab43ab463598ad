package dockerfile2llb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"slipway/dockerfile2llb"
	"slipway/frontend/options"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/source"
)

// TestOperations compares the operations of the cases that have the section out/llb
// with that section. docker/dockerfile makes the same ones: integration/differential
// compares all cases with it.
func TestOperations(t *testing.T) {
	n := 0
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		if _, ok := c.Out("llb"); !ok {
			return
		}
		n++
		c.Check(t, "llb", operations(t, c))
	})
	if want := 18; n < want {
		t.Errorf("%d cases have operations, want at least %d", n, want)
	}
}

// operations describes the operations of a case, one per line, in the order of their
// definition.
func operations(t *testing.T, c *golden.Case) []byte {
	t.Helper()
	o, err := options.Parse(c.Opts)
	if err != nil {
		t.Fatal(err)
	}
	images, err := c.Images()
	if err != nil {
		t.Fatal(err)
	}
	caps := pb.Caps.CapSet(pb.Caps.All())
	opt := dockerfile2llb.Options{Plan: o.Plan, Inputs: world{images}, Caps: &caps}
	opt.Plan.Platform = &ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	f, diags := parser.Parse(source.NewFile(c.DockerfileName(), c.Dockerfile()))
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	d, diags := instructions.Parse(f)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	res, err := dockerfile2llb.Convert(t.Context(), d, opt)
	if err != nil {
		t.Fatal(err)
	}
	def, err := res.Marshal(t.Context(), llb.LocalUniqueID("fixed"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	numbers := map[string]int{}
	for i, data := range def.Def {
		id := digest.FromBytes(data).String()
		numbers[id] = i
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(&b, i)
		for _, in := range op.Inputs {
			fmt.Fprintf(&b, " %d.%d", numbers[in.Digest], in.Index)
		}
		op.Inputs = nil
		text, err := protojson.Marshal(&op)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteByte(' ')
		if err := json.Compact(&b, text); err != nil {
			t.Fatal(err)
		}
		b.WriteByte('\n')
		describeMetadata(&b, def.Metadata[id])
	}
	return b.Bytes()
}

func describeMetadata(b *bytes.Buffer, meta *pb.OpMetadata) {
	for _, key := range slices.Sorted(maps.Keys(meta.GetDescription())) {
		fmt.Fprintf(b, "  %s %q\n", key, meta.Description[key])
	}
	if g := meta.GetProgressGroup(); g != nil {
		fmt.Fprintf(b, "  group %s %q weak %v\n", g.Id, g.Name, g.Weak)
	}
	if meta.GetIgnoreCache() {
		fmt.Fprintln(b, "  ignores the cache")
	}
	if r := meta.GetLinuxResources(); r != nil {
		fmt.Fprintf(b, "  resources %d %d %d\n", r.Memory, r.CpuShares, r.CpuQuota)
	}
	fmt.Fprintf(b, "  needs %q\n", slices.Sorted(maps.Keys(meta.GetCaps())))
}
