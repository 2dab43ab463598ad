package frontend

import (
	"fmt"
	"maps"
	"slices"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/opencontainers/go-digest"
)

// checkOps returns an error for the first operation that requires a capability which
// the builder lacks. The builder would also reject such an operation, but its error
// would not contain the instruction and the location of the instruction.
func checkOps(caps *apicaps.CapSet, def *pb.Definition) error {
	for _, op := range def.Def {
		dgst := digest.FromBytes(op)
		md := def.Metadata[string(dgst)]
		for _, c := range slices.Sorted(maps.Keys(md.GetCaps())) {
			err := caps.Supports(apicaps.CapID(c))
			if err == nil {
				continue
			}
			if name := md.Description["llb.customname"]; name != "" {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return withOpSource(err, def.Source, dgst)
		}
	}
	return nil
}

// withOpSource adds the source locations of an operation to err.
func withOpSource(err error, s *pb.Source, op digest.Digest) error {
	if s == nil {
		return err
	}
	for _, l := range s.Locations[op.String()].GetLocations() {
		if i := int(l.SourceIndex); i < len(s.Infos) {
			err = errdefs.WithSource(err, &errdefs.Source{Info: s.Infos[i], Ranges: l.Ranges})
		}
	}
	return err
}
