package frontend

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	epoch "github.com/moby/buildkit/exporter/exptypes"
	"github.com/moby/buildkit/frontend/gateway/client"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"slipway/dockerfile2llb"
	"slipway/internal/inorder"
	"slipway/plan"
)

// platformResult holds the LLB for one platform and the reference to its solved result.
type platformResult struct {
	ref       client.Reference
	result    *dockerfile2llb.Conversion
	requested ocispecs.Platform // the requested platform, or the default platform if the client requested none
}

// platforms builds all platforms concurrently. They share the parsed Dockerfile and the
// resolved images. Each additional platform therefore costs only one plan and one solve.
func (b *build) platforms(ctx context.Context) ([]platformResult, error) {
	targets := b.targetPlatforms()
	results := make([]platformResult, len(targets))
	// All platforms are converted before any is solved. Errors about the file are
	// therefore reported early, and it is deterministic which one.
	err := inorder.Do(ctx, len(targets), 0, func(ctx context.Context, i int) (err error) {
		results[i], err = b.platform(ctx, targets[i], i == 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := b.planned(ctx, results); err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range results {
		g.Go(func() (err error) {
			results[i].ref, err = b.solve(ctx, results[i].result)
			return err
		})
	}
	return results, g.Wait()
}

// targetPlatforms returns the requested platforms, or a list with nil for the default platform.
func (b *build) targetPlatforms() []*ocispecs.Platform {
	targets := make([]*ocispecs.Platform, 0, len(b.options.Platforms))
	for i := range b.options.Platforms {
		targets = append(targets, &b.options.Platforms[i])
	}
	if len(targets) == 0 {
		targets = append(targets, nil)
	}
	return targets
}

// planned passes a description of the build to the callback Planned.
func (b *build) planned(ctx context.Context, results []platformResult) error {
	if b.callbacks.Planned == nil {
		return nil
	}
	plans := make([]*plan.Plan, len(results))
	for i, r := range results {
		plans[i] = r.result.Plan
	}
	described, err := b.describeBuild(ctx, plans)
	if err == nil {
		b.callbacks.Planned(described)
	}
	return err
}

// optionsFor returns the options of the plan for the platform p or, if p is nil, for the default
// platform.
func (b *build) optionsFor(p *ocispecs.Platform) plan.Options {
	opt := b.options.Plan
	opt.Platform = p
	opt.BuildPlatforms = b.buildPlatforms()
	return opt
}

// platform converts the build for the platform p, or for the default platform if p is
// nil. If first is true, it also runs the build checks.
func (b *build) platform(ctx context.Context, p *ocispecs.Platform, first bool) (platformResult, error) {
	res, err := b.convert(ctx, b.optionsFor(p), first)
	if err != nil {
		return platformResult{}, err
	}
	out := platformResult{result: res, requested: platforms.DefaultSpec()}
	if p != nil {
		out.requested = *p
	}
	return out, nil
}

// buildPlatforms returns a list with one element, the platform of the builder: the first
// platform of the builder's first worker or, if the builder reports no platform, the
// platform of this process.
func (b *build) buildPlatforms() []ocispecs.Platform {
	if w := b.opts.Workers; len(w) > 0 && len(w[0].Platforms) > 0 {
		return w[0].Platforms[:1]
	}
	return []ocispecs.Platform{platforms.Normalize(platforms.DefaultSpec())}
}

// assemble combines the references and metadata of all platforms in one result, in the
// form that exporters expect.
func (b *build) assemble(results []platformResult) (*client.Result, error) {
	res := client.NewResult()
	list := exptypes.Platforms{Platforms: make([]exptypes.Platform, len(results))}
	for i, r := range results {
		p := exportPlatform(r.requested, r.result.Image.Platform)
		list.Platforms[i] = p
		suffix := ""
		if b.options.Plan.MultiPlatform {
			suffix = "/" + p.ID
			res.AddRef(p.ID, r.ref)
		} else {
			res.SetRef(r.ref)
		}
		if err := addMeta(res, suffix, r.result); err != nil {
			return nil, err
		}
	}
	dt, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	res.AddMeta(exptypes.ExporterPlatformsKey, dt)
	return res, nil
}

// addMeta adds the metadata of one platform to res, such as the image config. suffix is
// appended to each metadata key to distinguish the platforms.
func addMeta(res *client.Result, suffix string, r *dockerfile2llb.Conversion) error {
	config, err := json.Marshal(r.Image)
	if err != nil {
		return fmt.Errorf("failed to marshal image config: %w", err)
	}
	res.AddMeta(exptypes.ExporterImageConfigKey+suffix, config)
	if r.BaseImage != nil {
		base, err := json.Marshal(r.BaseImage)
		if err != nil {
			return fmt.Errorf("failed to marshal source image config: %w", err)
		}
		res.AddMeta(exptypes.ExporterImageBaseConfigKey+suffix, base)
	}
	if t := r.Plan.Epoch; t != nil {
		res.AddMeta(epoch.ExporterEpochKey+suffix, []byte(strconv.FormatInt(t.Unix(), 10)))
	}
	return nil
}

// exportPlatform returns the platform of a result for exporters. For Windows images, it
// includes the OS version that the image requires.
func exportPlatform(requested, image ocispecs.Platform) exptypes.Platform {
	p := platforms.Normalize(requested)
	out := exptypes.Platform{ID: platforms.FormatAll(p), Platform: p}
	if p.OS != "windows" || image.OS != p.OS {
		return out
	}
	if p.OSVersion == "" {
		p.OSVersion = image.OSVersion
	}
	if p.OSFeatures == nil && len(image.OSFeatures) > 0 {
		p.OSFeatures = slices.Clone(image.OSFeatures)
	}
	out.Platform = platforms.Normalize(p)
	return out
}
