package cachemap

import (
	"encoding/json"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/contenthash"
)

// Map is what an operation is called.
type Map struct {
	Digest digest.Digest
	Inputs []Input
}

// Input describes how the outputs of an operation depend on one input.
type Input struct {
	// Selector is the digest of the paths that are selected. If it is "", all of
	// the input is.
	Selector digest.Digest
	// ByContent reports whether the content of the selected files counts, however
	// they were made. Content selects them.
	ByContent bool
	Content   []contenthash.Selector
	// Whole reports whether some mount needs the whole input even if ByContent is
	// set.
	Whole bool
}

// Of returns what an operation that is not a source is called. The operation has
// been checked.
func Of(op *pb.Op) (Map, error) {
	m := Map{Inputs: make([]Input, len(op.Inputs))}
	var what any
	var err error
	switch o := op.Op.(type) {
	case *pb.Op_Exec:
		what = execKey(o.Exec, op.Platform)
		err = m.execInputs(o.Exec)
	case *pb.Op_File:
		what, err = m.file(o.File)
	case *pb.Op_Merge:
		what = struct {
			Type  string
			Merge *pb.MergeOp
		}{"buildkit.merge.v0", o.Merge}
	case *pb.Op_Diff:
		what = struct {
			Type string
			Diff *pb.DiffOp
		}{"buildkit.diff.v0", o.Diff}
	case *pb.Op_Build:
		what = struct {
			Type string
			Exec *pb.BuildOp
		}{"buildkit.build.v0", o.Build}
	default:
		err = fmt.Errorf("operation %T has no cache map", op.Op)
	}
	if err != nil {
		return m, err
	}
	data, err := json.Marshal(what)
	m.Digest = digest.FromBytes(data)
	return m, err
}

// OfSource returns what a source is called whose content is named by key.
func OfSource(key string) Map { return Map{Digest: digest.FromString("buildkit.source.v0:" + key)} }

// Output returns the name of an output of what has that digest. That of content
// is [Content].
func Output(d digest.Digest, index int) digest.Digest {
	return digest.FromString(fmt.Sprintf("%s@%d", d, index))
}

// Content is the number of the output that stands for content, whose digest is
// one of package contenthash.
const Content = -1
