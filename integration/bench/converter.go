package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	theirs "github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"

	"slipway/dialect"
	"slipway/dockerfile2llb"
	"slipway/ignore"
	"slipway/include"
	"slipway/instructions"
	"slipway/internal/golden"
	"slipway/parser"
	"slipway/plan"
	"slipway/source"
)

// converter converts a Dockerfile to one LLB definition per platform. It converts the
// platforms concurrently.
type converter interface {
	name() string
	convert(ctx context.Context, f *file) ([]*pb.Definition, error)
}

// resolver serves image configs from memory. It creates each config only once, so that the
// measurements do not include its creation.
type resolver struct {
	images *golden.Images
	mu     sync.Mutex
	found  map[string]golden.Image
}

func newResolver(images *golden.Images) *resolver {
	return &resolver{images: images, found: map[string]golden.Image{}}
}

func (r *resolver) resolve(ref string, p *ocispecs.Platform) (golden.Image, error) {
	key := ref
	if p != nil {
		key += " " + platforms.FormatAll(*p)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if img, ok := r.found[key]; ok {
		return img, nil
	}
	img, err := r.images.Resolve(ref, p)
	if err == nil {
		r.found[key] = img
	}
	return img, err
}

// ResolveImageConfig returns an image config from memory. It implements llb.ImageMetaResolver
// for upstream's converter.
func (r *resolver) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	img, err := r.resolve(ref, opt.ImageOpt.Platform)
	return ref, img.Digest, img.Config, err
}

// ours is the converter of this project.
type ours struct{ *resolver }

func (ours) name() string { return "ours" }

func (ours) convert(ctx context.Context, f *file) ([]*pb.Definition, error) {
	parsed, diags := parser.Parse(source.NewFile("Dockerfile", f.text))
	if err := diags.Err(); err != nil {
		return nil, err
	}
	gate, fault := dialect.Parse(parsed)
	if fault != nil {
		return nil, fault
	}
	parts := includedFiles{f: f}
	if gate != nil {
		var err error
		parsed, err = include.Resolve(ctx, parsed, include.Options{Gate: gate, BuildArgs: f.options.Plan.BuildArgs, Reader: &parts})
		if err != nil {
			return nil, err
		}
	}
	d, diags := instructions.ParseGated(parsed, gate)
	if err := diags.Err(); err != nil {
		return nil, err
	}
	return eachPlatform(ctx, f, func(ctx context.Context, p *ocispecs.Platform) (*pb.Definition, error) {
		opt := dockerfile2llb.Options{
			Plan:      f.options.Plan,
			Inputs:    ours{f.images},
			Caps:      allCaps(),
			SourceMap: llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", f.text),
			Included:  parts.maps,
		}
		opt.Plan.Platform = p
		res, err := dockerfile2llb.Convert(ctx, d, opt)
		if err != nil {
			return nil, err
		}
		return res.Marshal(ctx, llb.LocalUniqueID(uniqueID))
	})
}

// Image implements plan.Resolver. It returns an image config from memory.
func (o ours) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	img, err := o.resolve(ref, q.Platform)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Digest: img.Digest, Config: img.Config}, nil
}

// Context implements plan.Resolver. It returns nil, because the benchmark uses no named
// contexts.
func (ours) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

// Ignore returns nil, because the context has no .dockerignore file.
func (ours) Ignore(context.Context) (*ignore.Matcher, error) { return nil, nil }

// Time implements plan.Resolver. It returns nil, because the benchmark does not set
// SOURCE_DATE_EPOCH.
func (ours) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }

// State returns the main context as a local source, like upstream's converter without a
// gateway client.
func (ours) State(_ context.Context, _ *plan.Input, used *plan.Paths) (llb.State, error) {
	var opts []llb.LocalOption
	if paths := used.Filter(); len(paths) > 0 {
		opts = append(opts, llb.FollowPaths(paths))
	}
	return *dockerui.DefaultMainContext(opts...), nil
}

// upstream is the converter of docker/dockerfile.
type upstream struct{}

func (upstream) name() string { return "upstream" }

func (upstream) convert(ctx context.Context, f *file) ([]*pb.Definition, error) {
	return eachPlatform(ctx, f, func(ctx context.Context, p *ocispecs.Platform) (*pb.Definition, error) {
		opt := theirs.ConvertOpt{
			MetaResolver:   f.images,
			LLBCaps:        allCaps(),
			TargetPlatform: p,
			SourceMap:      llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", f.text),
		}
		o := &f.options.Plan
		opt.Target, opt.Hostname, opt.GitAdvice = o.Target, o.Hostname, o.GitAdvice
		opt.BuildArgs, opt.Labels = maps.Clone(o.BuildArgs), o.Labels
		opt.CacheIDNamespace = o.CacheIDNamespace
		opt.MultiPlatformRequested = o.MultiPlatform
		res, err := theirs.Dockerfile2LLB(ctx, f.text, opt)
		if err != nil {
			return nil, err
		}
		def, err := res.State.Marshal(ctx, llb.LocalUniqueID(uniqueID))
		if err != nil {
			return nil, err
		}
		return def.ToPB(), nil
	})
}

// allCaps returns the capabilities of a current daemon. Because a real client creates them
// once per connection, the measurements do not include their creation.
var allCaps = sync.OnceValue(func() *apicaps.CapSet {
	caps := pb.Caps.CapSet(pb.Caps.All())
	return &caps
})

// uniqueID is the id of local sources. Without a fixed id, the LLB library would choose a
// random id, and the definitions would differ.
const uniqueID = "bench"

// eachPlatform converts the Dockerfile f for each of its platforms. As in both frontends, it
// converts several platforms concurrently. For a single platform, it starts no goroutine, to
// avoid noise from the scheduler.
func eachPlatform(ctx context.Context, f *file, convert func(context.Context, *ocispecs.Platform) (*pb.Definition, error)) ([]*pb.Definition, error) {
	if len(f.platforms) == 1 {
		def, err := convert(ctx, &f.platforms[0])
		return []*pb.Definition{def}, err
	}
	defs := make([]*pb.Definition, len(f.platforms))
	g, ctx := errgroup.WithContext(ctx)
	for i := range f.platforms {
		g.Go(func() (err error) {
			defs[i], err = convert(ctx, &f.platforms[i])
			return err
		})
	}
	return defs, g.Wait()
}
