package lint

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/ignore"
	"slipway/plan"
)

// bases is the [plan.Resolver] of a check. Images that nothing else resolves have an empty
// config. Safe for concurrent use.
type bases struct {
	opt     Options
	mu      sync.Mutex
	unknown map[string]bool // references of images whose config is unknown
}

// Image implements plan.Resolver.
func (b *bases) Image(ctx context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	if b.opt.Images != nil {
		if res, err := b.opt.Images(ctx, ref, q); err == nil && res != nil {
			return res, nil
		}
	}
	b.mu.Lock()
	b.unknown[ref] = true
	b.mu.Unlock()
	var img plan.Image
	img.Platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if q.Platform != nil {
		img.Platform = *q.Platform
	}
	img.RootFS.Type = "layers"
	// The plan treats an image without layers like scratch.
	img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	config, err := json.Marshal(img)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Config: config}, nil
}

// Context implements plan.Resolver.
func (b *bases) Context(_ context.Context, name string, _ *ocispecs.Platform) (plan.NamedContext, error) {
	if !b.opt.Contexts[name] {
		return nil, nil
	}
	return namedContext(name), nil
}

// Ignore implements plan.Resolver.
func (b *bases) Ignore(context.Context) (*ignore.Matcher, error) { return b.opt.Ignore, nil }

// Time implements plan.Resolver.
func (b *bases) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }

// namedContext is a named context whose content is unknown.
type namedContext string

// Load implements plan.NamedContext.
func (n namedContext) Load(context.Context) (*plan.Resolved, error) {
	return &plan.Resolved{Input: &plan.Input{Name: string(n)}}, nil
}
