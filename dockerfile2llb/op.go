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

// op is an operation built from protobuf messages, without the states and options of
// client/llb. It implements llb.Vertex and llb.Output, and has one output. Safe for
// concurrent use.
type op struct {
	body
	description map[string]string
	ignoreCache bool
	progress    *pb.ProgressGroup
	resources   *pb.LinuxResources
	locations   []*llb.SourceLocation
	location    source.Range       // the range of the instruction, for errors
	platform    *ocispecs.Platform // the platform of processes that start from this output; nil if unspecified

	mu          sync.Mutex
	constraints *llb.Constraints // the constraints for which Marshal cached the fields below
	digest      digest.Digest
	data        []byte
	meta        *pb.OpMetadata
}

// body is the part of an operation that depends on its type, such as exec or file.
type body interface {
	// Inputs returns the inputs of the operation in the order in which the definition
	// lists them.
	Inputs() []llb.Output
	// index returns the index of the output that the next step uses.
	index() int64
	// write encodes the operation into the message and adds the capabilities that it
	// requires.
	write(ctx context.Context, c *llb.Constraints, to *message) error
}

// message collects the fields and the required capabilities of an operation until it is
// encoded.
type message struct {
	pb.Op
	location source.Range // the instruction, for errors
	filter   pb.WorkerConstraints
	caps     map[string]bool
}

// require adds the capabilities with the given ids to the daemon capabilities that the
// operation requires.
func (m *message) require(ids ...apicaps.CapID) {
	for _, id := range ids {
		m.caps[string(id)] = true
	}
}

// input adds out to the inputs of the operation, unless out is already an input, and
// returns the index of out. If out is nil, it returns pb.Empty.
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

// newOp returns an operation with the body b and with the name, cache policy and source
// location of the step s.
func (e *emitter) newOp(b body, s *plan.StepInfo) *op {
	return &op{
		body:        b,
		description: map[string]string{customName: s.Name},
		ignoreCache: s.NoCache,
		locations:   e.sourceLocations(s.Range),
		location:    s.Range,
	}
}

// Output implements llb.Vertex.
func (o *op) Output() llb.Output { return o }

// Platform returns the platform for RUN processes that start from this output, or nil if
// it is unspecified.
func (o *op) Platform() *ocispecs.Platform { return o.platform }

// Vertex implements llb.Output.
func (o *op) Vertex(context.Context, *llb.Constraints) llb.Vertex { return o }

// Validate implements llb.Vertex. It checks nothing, because Marshal reports all errors.
func (*op) Validate(context.Context, *llb.Constraints) error { return nil }

// ToInput implements llb.Output.
func (o *op) ToInput(ctx context.Context, c *llb.Constraints) (*pb.Input, error) {
	dgst, _, _, _, err := o.Marshal(ctx, c)
	if err != nil {
		return nil, err
	}
	return &pb.Input{Digest: string(dgst), Index: o.index()}, nil
}

// Marshal implements llb.Vertex. It uses the platform and the capabilities in the
// constraints c, and caches the result for c.
//
// Upstream: the result also requires the capabilities from earlier calls of Marshal.
func (o *op) Marshal(ctx context.Context, c *llb.Constraints) (digest.Digest, []byte, *pb.OpMetadata, []*llb.SourceLocation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.constraints == c {
		return o.digest, o.data, o.meta, o.locations, nil
	}
	m := message{location: o.location, caps: map[string]bool{}}
	if o.meta != nil {
		maps.Copy(m.caps, o.meta.Caps)
	}
	m.filter.Filter = c.WorkerConstraints
	m.Constraints = &m.filter
	if err := o.write(ctx, c, &m); err != nil {
		return "", nil, nil, nil, withRange(o.location, err)
	}
	// Unlike MarshalVT, proto.Marshal rejects invalid UTF-8 and sorts attributes.
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&m.Op)
	if err != nil {
		return "", nil, nil, nil, o.encodingError(err)
	}
	o.constraints, o.data, o.digest = c, data, digest.FromBytes(data)
	o.meta = &pb.OpMetadata{
		Description: o.description, IgnoreCache: o.ignoreCache, ProgressGroup: o.progress,
		LinuxResources: o.resources, Caps: m.caps,
	}
	return o.digest, o.data, o.meta, o.locations, nil
}

// encodingError returns an error for an operation that cannot be encoded because a string
// is not UTF-8. It points at the first invalid bytes in the instruction or, if all bytes
// are valid, at the instruction.
func (o *op) encodingError(err error) error {
	d := diag.Errorf(o.location, "%w", err)
	start, end := invalidUTF8(o.location.String())
	if start == end {
		return d.Hinted("a variable that the instruction expands has bytes that are not UTF-8")
	}
	invalid := o.location
	invalid.Start, invalid.End = o.location.Start+start, o.location.Start+end
	return diag.Errorf(invalid, "%w", err).In(o.location).Hinted("save the file as UTF-8")
}

// invalidUTF8 returns the range of the first invalid bytes in s. If s is valid, start
// equals end.
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
