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
	// Digest identifies the operation in BuildKit's caches. If it is "", the operation
	// has no records there.
	Digest digest.Digest
	Inputs []Input
	// Copies are the sources of copies that neither Digest nor Inputs cover: copies from
	// an input that the operation also changes. Cache keys must cover them.
	//
	// Upstream: Digest covers only the last element of such a source, such as f for `COPY
	// --from=a /x/f /` and `COPY --from=a /y/f /` in a stage that starts from a. A cache
	// may therefore have the result of another operation under the digest. Operations
	// with Copies are neither exported nor imported.
	Copies []Copy
}

// Copy is a copy of a file operation.
type Copy struct {
	Action int
	Source string
}

// Input describes how the outputs of an operation depend on one input.
type Input struct {
	// Selector is the digest of the selected paths. If it is "", the whole input is
	// selected.
	Selector digest.Digest
	// ByContent reports whether BuildKit's caches find the outputs by the content of the
	// selected files, however the input was made. Content selects these files. If it is
	// empty, all files are selected.
	ByContent bool
	Content   []contenthash.Selector
	// Whole reports whether a mount needs the whole input even if ByContent is set.
	Whole bool
}

// ContentSuffices reports whether the outputs depend only on the content of the selected
// files of the input.
//
// Upstream: if several mounts have the same input, only the last one decides whether
// ByContent is set, although a mount that passes on more than it selects needs the whole
// input. ByContent follows BuildKit, because caches are exchanged with it. Keys of the
// local cache use the content only if every mount permits it, or if one of them selects
// all files.
func (i Input) ContentSuffices() bool {
	return i.ByContent && (!i.Whole || len(i.Content) == 0)
}

// Of returns the cache map of an operation that is not a source. The operation must be
// valid.
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

// OfSource returns the cache map of a source with this cache key.
func OfSource(key string) Map { return Map{Digest: digest.FromString("buildkit.source.v0:" + key)} }

// Output returns the digest of a record for an output of the operation with digest d. If
// index is [Content], d is a content digest.
func Output(d digest.Digest, index int) digest.Digest {
	return digest.FromString(fmt.Sprintf("%s@%d", d, index))
}

// Content is the output index of records for content. Their digests come from package
// contenthash.
const Content = -1
