package builder

import (
	"context"
	"fmt"

	"slipway/solver/export"
)

// records returns the provenance of each result for the history of builds: the predicate of SLSA
// provenance v1 with mode=max, by platform. The key of a result that is not in a map is "". Layers
// have the blobs that the outputs of the build have created.
func (x *attester) records(ctx context.Context, blobs *export.Blobs) (map[string][]byte, error) {
	requests, err := attestRequests(x.opts)
	if err != nil {
		return nil, err
	}
	list, err := platformsOf(x.res)
	if err != nil {
		return nil, err
	}
	attrs := map[string]string{"builder-id": requests["provenance"]["builder-id"], "capture-usage": "true"}
	out := map[string][]byte{}
	for _, p := range list {
		made, err := x.provenance(ctx, attrs, p, list)
		if err != nil {
			return nil, fmt.Errorf("provenance: %w", err)
		}
		key := p.ID
		if len(x.res.Refs) == 0 {
			key = ""
		}
		for _, a := range made {
			if out[key], err = a.Predicate(blobs); err != nil {
				return nil, fmt.Errorf("provenance: %w", err)
			}
		}
	}
	return out, nil
}
