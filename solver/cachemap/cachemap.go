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
	// Digest identifies the operation in BuildKit's caches. If it is "", the operation is
	// neither exported nor imported.
	Digest digest.Digest
	Inputs []Input // by input of the operation
	// Copies lists the copies whose source path neither Digest nor Inputs cover, because
	// they copy from an input that the operation also changes. Keys of the local cache must
	// cover these paths.
	//
	// Upstream: Digest covers only the last element of such a path. In a stage based on a,
	// `COPY --from=a /x/f /` and `COPY --from=a /y/f /` have the same Digest. A cache of
	// BuildKit may therefore have the wrong result for it, so operations with Copies are
	// neither exported nor imported.
	Copies []Copy
}

// Copy describes a copy action of a file operation by its index and its source path.
type Copy struct {
	Action int    // index of the action
	Source string // path
}

// Input describes how the outputs of an operation depend on one input.
type Input struct {
	// Selector is the digest of the paths that the operation reads. If it is "", the
	// operation reads the whole input.
	Selector digest.Digest
	// ByContent is true if BuildKit's caches match the input by the content of the selected
	// files, even if another operation produced them. Content selects these files. If
	// Content is empty, all files are selected.
	ByContent bool
	Content   []contenthash.Selector
	// Whole is true if a mount also depends on files of the input that Content does not
	// select.
	Whole bool
}

// ContentSuffices reports whether the outputs depend only on the content of the selected
// files of this input, and not on its other files.
//
// Upstream: if several mounts have the same input, BuildKit sets ByContent according to the
// last mount, although another mount may depend on all files. This package does the same,
// because keys must be equal in caches exchanged with BuildKit. In the keys of the local
// cache, the content of the selected files replaces the cache key of the input only if
// ContentSuffices returns true.
func (i Input) ContentSuffices() bool {
	return i.ByContent && (!i.Whole || len(i.Content) == 0)
}

// Of returns the cache map of an operation. The operation must be valid, as checked by
// solver.Load. It must not be a source operation: for sources, see [OfSource].
func Of(op *pb.Op) (Map, error) {
	m := Map{Inputs: make([]Input, len(op.Inputs))}
	var record any // the digest is the digest of its JSON
	var err error
	switch o := op.Op.(type) {
	case *pb.Op_Exec:
		record = newExecRecord(o.Exec, op.Platform)
		err = m.execInputs(o.Exec)
	case *pb.Op_File:
		record, err = m.file(o.File)
	case *pb.Op_Merge:
		record = struct {
			Type  string
			Merge *pb.MergeOp
		}{"buildkit.merge.v0", o.Merge}
	case *pb.Op_Diff:
		record = struct {
			Type string
			Diff *pb.DiffOp
		}{"buildkit.diff.v0", o.Diff}
	case *pb.Op_Passthrough:
		record = struct {
			Type        string
			Passthrough *pb.PassthroughOp
		}{"buildkit.passthrough.v0", o.Passthrough}
	case *pb.Op_Build:
		record = struct {
			Type string
			Exec *pb.BuildOp
		}{"buildkit.build.v0", o.Build}
	default:
		err = fmt.Errorf("operation %T has no cache map", op.Op)
	}
	if err != nil {
		return m, err
	}
	data, err := json.Marshal(record)
	m.Digest = digest.FromBytes(data)
	return m, err
}

// OfSource returns the cache map of a source. The parameter key is the cache key of the
// source, as returned by a solver.NamedSource.
func OfSource(key string) Map { return Map{Digest: digest.FromString("buildkit.source.v0:" + key)} }

// Output returns the key under which caches store an output of an operation. The parameter
// d is the digest of the operation, and index is the index of the output. If index is
// [Content], d is a content digest of files instead.
func Output(d digest.Digest, index int) digest.Digest {
	return digest.FromString(fmt.Sprintf("%s@%d", d, index))
}

// Content is the index to pass to [Output] for a content digest of files, as package
// contenthash computes it.
const Content = -1
