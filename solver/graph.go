package solver

import (
	"strings"

	"slipway/solver/fileop"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
)

// Graph is a validated LLB definition.
type Graph struct {
	Root     Edge      // the result; an empty file tree if its vertex is nil
	Vertices []*Vertex // in topological order: each after all of its inputs
}

// Vertex is an operation of a graph with its metadata.
type Vertex struct {
	Digest    digest.Digest
	Op        *pb.Op
	Meta      *pb.OpMetadata // never nil
	Inputs    []Edge
	Locations []Location
}

// Edge identifies an output of a vertex by the vertex and the index of the output.
type Edge struct {
	Vertex *Vertex
	Index  int
}

// Location lists the ranges of a source file, usually a Dockerfile, that define an
// operation.
type Location struct {
	Source *pb.SourceInfo
	Ranges []*pb.Range
}

// Name returns the name of the operation for progress messages and errors. It is the custom
// name from the frontend, such as "[2/3] COPY a /", or else a description of the operation.
func (v *Vertex) Name() string {
	if n := v.Meta.GetDescription()["llb.customname"]; n != "" {
		return n
	}
	return operationName(v.Op)
}

// outputs returns the number of outputs of a vertex.
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
	case *pb.Op_Passthrough:
		n = len(op.Passthrough.GetOutputs())
	}
	return n
}

// outputOf returns the index of the output that a mount produces, or -1 if it produces
// no output.
func outputOf(m *pb.Mount) int64 {
	if m.MountType == pb.MountType_BIND {
		return m.Output
	}
	return int64(pb.SkipOutput)
}

// isLocal reports whether a vertex is a source operation for a local directory, such as the
// build context. Cache lookups may read local directories, because reading them is cheap.
func isLocal(v *Vertex) bool {
	return strings.HasPrefix(v.Op.GetSource().GetIdentifier(), "local://")
}

// operationName describes an operation for users, such as the command line of a process
// or the identifier of a source.
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
	case *pb.Op_Passthrough:
		return "passthrough " + op.Passthrough.GetId()
	}
	return "unknown operation"
}
