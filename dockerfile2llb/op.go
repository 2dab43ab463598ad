package dockerfile2llb

import (
	"context"
	"maps"
	"sync"
	"unicode/utf8"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/protobuf/proto"

	"slipway/diag"
	"slipway/plan"
	"slipway/source"
)

// op is an operation that is written from its messages, without the states and
// options of client/llb. To client/llb it is a vertex with one output like any
// other.
type op struct {
	body
	description map[string]string
	ignoreCache bool
	progress    *pb.ProgressGroup
	resources   *pb.LinuxResources
	places      []*llb.SourceLocation
	at          source.Range       // the instruction, for errors
	platform    *ocispecs.Platform // that what starts from it runs on; nil says nothing

	mu     sync.Mutex
	of     *llb.Constraints // that the rest was written for
	digest digest.Digest
	data   []byte
	meta   *pb.OpMetadata
}

// body is what is special to a kind of operation.
type body interface {
	// Inputs returns what the operation reads, in the order in which a
	// definition has it.
	Inputs() []llb.Output
	// index returns the number of the output that goes on.
	index() int64
	// write fills in the message and adds the capabilities that it needs.
	write(ctx context.Context, c *llb.Constraints, to *message) error
}

// message is an operation that is being written.
type message struct {
	pb.Op
	at     source.Range // the instruction, for errors
	filter pb.WorkerConstraints
	caps   map[string]bool
}

func (m *message) need(ids ...apicaps.CapID) {
	for _, id := range ids {
		m.caps[string(id)] = true
	}
}

// input adds an input, unless it is there, and returns its number; none is
// pb.Empty.
func (m *message) input(ctx context.Context, out llb.Output, c *llb.Constraints) (int64, error) {
	if out == nil {
		return int64(pb.Empty), nil
	}
	in, err := out.ToInput(ctx, c)
	if err != nil {
		return 0, err
	}
	for i, have := range m.Inputs {
		if have.Digest == in.Digest && have.Index == in.Index {
			return int64(i), nil
		}
	}
	m.Inputs = append(m.Inputs, in)
	return int64(len(m.Inputs) - 1), nil
}

// newOp returns the operation of a step.
func (e *emitter) newOp(b body, s *plan.StepInfo) *op {
	return &op{
		body:        b,
		description: map[string]string{customName: s.Name},
		ignoreCache: s.NoCache,
		places:      e.places(s.Range),
		at:          s.Range,
	}
}

// Output implements llb.Vertex.
func (o *op) Output() llb.Output { return o }

// Platform tells client/llb the platform of what starts from it.
func (o *op) Platform() *ocispecs.Platform { return o.platform }

// Vertex implements llb.Output.
func (o *op) Vertex(context.Context, *llb.Constraints) llb.Vertex { return o }

// Validate implements llb.Vertex. What can be wrong is found by Marshal.
func (*op) Validate(context.Context, *llb.Constraints) error { return nil }

// ToInput implements llb.Output.
func (o *op) ToInput(ctx context.Context, c *llb.Constraints) (*pb.Input, error) {
	dgst, _, _, _, err := o.Marshal(ctx, c)
	if err != nil {
		return nil, err
	}
	return &pb.Input{Digest: string(dgst), Index: o.index()}, nil
}

// Marshal implements llb.Vertex. The result is kept for the constraints. Of
// those, platform and capabilities count.
//
// Upstream: capabilities that it needed in an earlier definition stay.
func (o *op) Marshal(ctx context.Context, c *llb.Constraints) (digest.Digest, []byte, *pb.OpMetadata, []*llb.SourceLocation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == c {
		return o.digest, o.data, o.meta, o.places, nil
	}
	m := message{at: o.at, caps: map[string]bool{}}
	if o.meta != nil {
		maps.Copy(m.caps, o.meta.Caps)
	}
	m.filter.Filter = c.WorkerConstraints
	m.Constraints = &m.filter
	if err := o.write(ctx, c, &m); err != nil {
		return "", nil, nil, nil, at(o.at, err)
	}
	// Unlike MarshalVT, this refuses what is not UTF-8 and sorts attributes.
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m.Op)
	if err != nil {
		return "", nil, nil, nil, o.badText(err)
	}
	o.of, o.data, o.digest = c, data, digest.FromBytes(data)
	o.meta = &pb.OpMetadata{
		Description: o.description, IgnoreCache: o.ignoreCache, ProgressGroup: o.progress,
		LinuxResources: o.resources, Caps: m.caps,
	}
	return o.digest, o.data, o.meta, o.places, nil
}

// badText returns the error of an operation that cannot be encoded because of a
// text that is not UTF-8. It points at the first such bytes of the instruction.
func (o *op) badText(err error) error {
	d := diag.Errorf(o.at, "%w", err)
	start, end := invalidUTF8(o.at.String())
	if start == end {
		return d.Hinted("a variable that the instruction expands has bytes that are not UTF-8")
	}
	bad := o.at
	bad.Start, bad.End = o.at.Start+start, o.at.Start+end
	return diag.Errorf(bad, "%w", err).In(o.at).Hinted("save the file as UTF-8")
}

// invalidUTF8 returns the first bytes of s that are not UTF-8; start == end if
// all of s is.
func invalidUTF8(s string) (start, end int) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		bad := r == utf8.RuneError && n == 1
		switch {
		case bad && start == end:
			start, end = i, i+1
		case bad:
			end = i + 1
		case start < end:
			return start, end
		}
		i += n
	}
	return start, end
}
