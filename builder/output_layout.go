package builder

import (
	"context"

	"slipway/solver/export"
	"slipway/solver/track"
)

// writeLayout writes an image to the OCI layout in dir, which may contain other images.
func writeLayout(ctx context.Context, dir string, root *export.Root) error {
	t := track.Start(ctx, "copying files", 0)
	defer t.Done()
	return export.WriteLayout(ctx, dir, root)
}
