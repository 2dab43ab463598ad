package solver

import (
	"errors"
	"fmt"

	"slipway/internal/oneline"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Graph is a definition that was checked.
type Graph struct {
	Root     Edge      // the result; without a vertex it is an empty tree
	Vertices []*Vertex // each after all of its inputs
}

// Vertex is an operation of a graph.
type Vertex struct {
	Digest    digest.Digest
	Op        *pb.Op
	Meta      *pb.OpMetadata // never nil
	Inputs    []Edge
	Locations []Location
}

// Edge is an output of a vertex.
type Edge struct {
	Vertex *Vertex
	Index  int
}

// Location is a place of a file that an operation comes from.
type Location struct {
	Source *pb.SourceInfo
	Ranges []*pb.Range
}

// Name is what people call the operation: the name that its frontend gave it,
// or what it does.
func (v *Vertex) Name() string {
	if n := v.Meta.GetDescription()["llb.customname"]; n != "" {
		return n
	}
	return operationName(v.Op)
}

// Load checks a definition: each operation is known and complete, each input is
// there and comes before. An operation is named by its digest, so that inputs
// cannot form a cycle; one that names itself or a later one is not there yet.
func Load(def *pb.Definition) (*Graph, error) {
	l := &loader{def: def, depth: map[digest.Digest]int{}, known: make(map[digest.Digest]*Vertex, len(def.GetDef()))}
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
		l.known[v.Digest] = v
		g.Vertices = append(g.Vertices, v)
	}
	if len(g.Vertices) > 0 {
		return nil, errors.New("the definition has no result")
	}
	return g, nil
}

type loader struct {
	def   *pb.Definition
	known map[digest.Digest]*Vertex
	depth map[digest.Digest]int // how many operations are behind each other, before one
}

// maxDepth is how many operations may be behind each other. All of them wait at
// once.
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
	v, ok := l.known[digest.Digest(in.Digest)]
	if !ok {
		return Edge{}, fmt.Errorf("input %q is not defined before it is used", in.Digest)
	}
	if n := outputs(v); in.Index < 0 || in.Index >= int64(n) {
		return Edge{}, fmt.Errorf("input %q has %d outputs, not a number %d", v.Name(), n, in.Index)
	}
	return Edge{Vertex: v, Index: int(in.Index)}, nil
}

// outputs returns how many outputs an operation has.
func outputs(v *Vertex) int {
	n := 1
	switch op := v.Op.Op.(type) {
	case *pb.Op_Exec:
		n = 0
		for _, m := range op.Exec.Mounts {
			n = max(n, int(outputOf(m))+1)
		}
	case *pb.Op_File:
		n = 0
		for _, a := range op.File.Actions {
			n = max(n, int(a.Output)+1)
		}
	}
	return n
}

// inputOf returns the input of a mount; -1 if it has none. Secrets and agents
// have none, whatever their fields say: clients leave them at zero.
func inputOf(m *pb.Mount) int64 {
	if m.MountType == pb.MountType_BIND || m.MountType == pb.MountType_CACHE {
		return m.Input
	}
	return int64(pb.Empty)
}

// outputOf returns the output of a mount; -1 if it has none.
func outputOf(m *pb.Mount) int64 {
	if m.MountType == pb.MountType_BIND {
		return m.Output
	}
	return int64(pb.SkipOutput)
}
