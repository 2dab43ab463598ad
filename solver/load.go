package solver

import (
	"errors"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/internal/oneline"
)

// Load validates a definition and returns its graph. It returns an error if an operation
// is unknown or incomplete, or if an input does not come before its dependents in the
// definition. Cycles are impossible, because operations refer to their inputs by digest.
func Load(def *pb.Definition) (*Graph, error) {
	l := &loader{def: def, depth: map[digest.Digest]int{}, vertices: make(map[digest.Digest]*Vertex, len(def.GetDef()))}
	g := &Graph{}
	for i, data := range def.GetDef() {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			return nil, fmt.Errorf("operation %d of the definition: %w", i, err)
		}
		if op.Op == nil {
			root, err := l.root(&op)
			if err != nil {
				return nil, err
			}
			if i != len(def.Def)-1 {
				return nil, errors.New("the definition goes on after its result")
			}
			g.Root = root
			return g, nil
		}
		v, err := l.vertex(digest.FromBytes(data), &op)
		if err != nil {
			return nil, err
		}
		l.vertices[v.Digest] = v
		g.Vertices = append(g.Vertices, v)
	}
	if len(g.Vertices) > 0 {
		return nil, errors.New("the definition has no result")
	}
	return g, nil
}

// loader holds the vertices that Load has read from a definition.
type loader struct {
	def      *pb.Definition
	vertices map[digest.Digest]*Vertex
	depth    map[digest.Digest]int // number of operations before an operation on the longest path
}

// maxDepth is the maximum length of a path of dependent operations. The limit bounds
// memory: each operation on a path has a goroutine that waits for its input.
const maxDepth = 10_000

func (l *loader) root(op *pb.Op) (Edge, error) {
	if len(op.Inputs) != 1 {
		return Edge{}, fmt.Errorf("the result of the definition has %d inputs instead of one", len(op.Inputs))
	}
	return l.input(op.Inputs[0])
}

func (l *loader) vertex(id digest.Digest, op *pb.Op) (*Vertex, error) {
	v := &Vertex{Digest: id, Op: op, Meta: l.def.Metadata[string(id)]}
	if v.Meta == nil {
		v.Meta = &pb.OpMetadata{}
	}
	for _, in := range op.Inputs {
		e, err := l.input(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", oneline.Name(v.Name()), err)
		}
		v.Inputs = append(v.Inputs, e)
		l.depth[id] = max(l.depth[id], l.depth[e.Vertex.Digest]+1)
	}
	if l.depth[id] > maxDepth {
		return nil, fmt.Errorf("%s: is behind more than %d other operations", oneline.Name(v.Name()), maxDepth)
	}
	for _, loc := range l.def.GetSource().GetLocations()[string(id)].GetLocations() {
		i := int(loc.GetSourceIndex())
		if i < 0 || i >= len(l.def.Source.Infos) {
			return nil, fmt.Errorf("%s: its location is in file %d of %d", v.Name(), i, len(l.def.Source.Infos))
		}
		v.Locations = append(v.Locations, Location{Source: l.def.Source.Infos[i], Ranges: loc.GetRanges()})
	}
	if err := check(v); err != nil {
		return nil, fmt.Errorf("%s: %w", oneline.Name(v.Name()), err)
	}
	return v, nil
}

func (l *loader) input(in *pb.Input) (Edge, error) {
	v, ok := l.vertices[digest.Digest(in.Digest)]
	if !ok {
		return Edge{}, fmt.Errorf("input %q is not defined before it is used", in.Digest)
	}
	if n := outputs(v); in.Index < 0 || in.Index >= int64(n) {
		return Edge{}, fmt.Errorf("input %q has %d outputs, not a number %d", v.Name(), n, in.Index)
	}
	return Edge{Vertex: v, Index: int(in.Index)}, nil
}
