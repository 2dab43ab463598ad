package builder

import (
	"context"
	"fmt"
	"maps"

	"github.com/moby/buildkit/exporter/verifier"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	local "slipway/solver/gateway"
)

// checkPlatforms warns a client in another process if the platforms of the result are not the
// platforms that the client has requested. The built-in frontend of this program needs no check.
func (p *inputs) checkPlatforms(ctx context.Context, res *gateway.Result, progress *progress) error {
	if p.request == nil {
		return nil
	}
	checked := &gateway.Result{Ref: res.Ref, Refs: res.Refs, Metadata: maps.Clone(res.Metadata)}
	err := verifier.CaptureFrontendOpts(p.opts, checked)
	if err != nil {
		return err
	}
	warnings, err := verifier.CheckInvalidPlatforms(ctx, checked)
	if err != nil {
		return fmt.Errorf("platforms of the result: %w", err)
	}
	for _, w := range warnings {
		progress.warn(local.Warning{Message: string(w.Short)})
	}
	return nil
}
