package plan

import (
	"context"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/source"
)

// setGlobals sets the platforms of the plan, the predefined ARGs and the ARGs before the
// first FROM.
func setGlobals(ctx context.Context, b *builder) error {
	if len(b.Dockerfile.Stages) == 0 {
		end := source.Range{File: b.Dockerfile.File.Source, Start: len(b.Dockerfile.File.Source.Bytes), End: len(b.Dockerfile.File.Source.Bytes)}
		if n := len(b.Dockerfile.Args); n > 0 {
			end = b.Dockerfile.Args[n-1].In.Rng
		}
		return diag.Errorf(end, "dockerfile contains no stages to build").Hinted("a FROM is missing").KeepLocal()
	}
	b.choosePlatforms()
	b.Predefined = predefined(b)
	b.Globals = b.Predefined
	for _, arg := range b.Dockerfile.Args {
		if arg.Let {
			if d := b.defineConstants(ctx, arg); d != nil {
				return d.In(arg.In.Rng)
			}
			continue
		}
		for i := range arg.Args {
			decl := &arg.Args[i]
			g := GlobalArg{Decl: decl, In: arg}
			if v, ok := b.opt.BuildArgs[decl.Key]; ok {
				g.Value, g.Set = v, true
				b.lowerReplaced(arg, decl, b.Globals)
			} else if decl.Default != nil {
				res, d := b.word(b.expand, *decl.Default, b.Globals)
				if d != nil {
					return d.In(arg.In.Rng)
				}
				b.lowerMapped(arg, *decl.Default, res)
				g.Value, g.Set, g.Uses = res.Value, true, res.Matched
			}
			if g.Set {
				b.Globals = b.Globals.Set(decl.Key, g.Value)
			}
			b.Declarations = append(b.Declarations, g)
		}
	}
	if d := b.omitStages(); d != nil {
		return d
	}
	return b.setEpoch(ctx)
}

// choosePlatforms sets the build platforms and the target platform of the plan. Unset
// build platforms become the target platform or, if that is also unset, the platform of
// this machine. An unset target platform becomes the first build platform.
func (b *builder) choosePlatforms() {
	b.Builders = b.opt.BuildPlatforms
	if len(b.Builders) == 0 && b.opt.Platform != nil && b.opt.BuildPlatforms == nil {
		b.Builders = []ocispecs.Platform{*b.opt.Platform}
	}
	if len(b.Builders) == 0 {
		b.Builders = []ocispecs.Platform{platforms.DefaultSpec()}
	}
	if b.opt.Platform == nil {
		b.Implicit = true
		b.Platform = b.Builders[0]
		return
	}
	b.Platform = *b.opt.Platform
}

// predefined returns the ARGs that every Dockerfile has, such as TARGETPLATFORM. A build
// argument replaces the value of the predefined ARG with the same name, but does not
// change the other predefined ARGs.
func predefined(b *builder) Env {
	stage := b.opt.Target
	if stages := b.Dockerfile.Stages; stage == "" && len(stages) > 0 {
		stage = stages[len(stages)-1].Name
	}
	if stage == "" {
		stage = "default"
	}
	bp, tp := b.Builders[0], b.Platform
	var env Env
	for _, kv := range [...][2]string{
		{"BUILDPLATFORM", platforms.Format(bp)},
		{"BUILDOS", bp.OS},
		{"BUILDOSVERSION", bp.OSVersion},
		{"BUILDARCH", bp.Architecture},
		{"BUILDVARIANT", bp.Variant},
		{"TARGETPLATFORM", platforms.FormatAll(tp)},
		{"TARGETOS", tp.OS},
		{"TARGETOSVERSION", tp.OSVersion},
		{"TARGETARCH", tp.Architecture},
		{"TARGETVARIANT", tp.Variant},
		{"TARGETSTAGE", stage},
	} {
		if v, ok := b.opt.BuildArgs[kv[0]]; ok {
			kv[1] = v
		}
		env = env.Set(kv[0], kv[1])
	}
	return env
}
