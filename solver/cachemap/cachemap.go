package cachemap

import (
	"encoding/json"
	"fmt"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/contenthash"
)

// Map is the cache map of an operation: its digest, and how its outputs depend on each
// input.
type Map struct {
	// Digest is the name of the operation in BuildKit's caches. If it is "", the
	// operation has no name there.
	Digest digest.Digest
	Inputs []Input
	// Copies are the sources of copies that neither Digest nor Inputs cover: those from
	// an input that the operation changes as well. A key has to have them.
	//
	// Upstream: Digest has the last element of such a source only (`COPY --from=a /x/f /`
	// and `COPY --from=a /y/f /` in a stage that starts from a), so that a cache may have
	// the result of another operation under the name. Operations with Copies are neither
	// exported nor imported.
	Copies []Copy
}

// Copy is the source of a copy.
type Copy struct {
	Action int
	Source string
}

// Input describes how the outputs of an operation depend on one input.
type Input struct {
	// Selector is the digest of the paths that are selected. If it is "", all of
	// the input is.
	Selector digest.Digest
	// ByContent reports whether BuildKit's caches find the outputs by the content of
	// the selected files, however they were made. Content selects the files. If it is
	// empty, it selects all of them.
	ByContent bool
	Content   []contenthash.Selector
	// Whole reports whether some mount needs the whole input even if ByContent is
	// set.
	Whole bool
}

// ContentSuffices reports whether the outputs depend on nothing of the input but the
// content of the selected files.
//
// Upstream: if several mounts have the same input, the last one alone decides whether
// ByContent is set, although a mount that passes on more than it selects needs the whole
// input. ByContent follows BuildKit, as caches are exchanged with it. Keys of our own
// cache use the content only if every mount permits it, or if one of them selects all
// files.
func (i Input) ContentSuffices() bool {
	return i.ByContent && (!i.Whole || len(i.Content) == 0)
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
