package solver

import (
	"strings"

	"slipway/solver/fileop"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Graph is a validated definition.
type Graph struct {
	Root     Edge      // the result; an empty tree if its vertex is nil
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

// Location is a location in a source file that an operation comes from.
type Location struct {
	Source *pb.SourceInfo
	Ranges []*pb.Range
}

// Name returns the name of the operation for users: the custom name that its frontend
// set, or a description of the operation.
func (v *Vertex) Name() string {
	if n := v.Meta.GetDescription()["llb.customname"]; n != "" {
		return n
	}
	return operationName(v.Op)
}

// outputs returns the number of outputs of an operation.
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

// outputOf returns the output index of a mount, or -1 if it has no output.
func outputOf(m *pb.Mount) int64 {
	if m.MountType == pb.MountType_BIND {
		return m.Output
	}
	return int64(pb.SkipOutput)
}

// isLocal reports whether a vertex is a local directory. Reading one is cheap, and
// allowed while caches are searched.
func isLocal(v *Vertex) bool {
	return strings.HasPrefix(v.Op.GetSource().GetIdentifier(), "local://")
}

// operationName returns a name that describes the operation.
func operationName(op *pb.Op) string {
	switch op := op.Op.(type) {
	case *pb.Op_Source:
		return op.Source.GetIdentifier()
	case *pb.Op_Exec:
		return strings.Join(op.Exec.GetMeta().GetArgs(), " ")
	case *pb.Op_File:
		return fileop.Name(op.File.GetActions()...)
	case *pb.Op_Build:
		return "build"
	case *pb.Op_Merge:
		return "merge"
	case *pb.Op_Diff:
		return "diff"
	}
	return "unknown operation"
}
