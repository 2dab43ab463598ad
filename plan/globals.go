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
	b.choosePlatforms()
	if err := b.setVariables(ctx); err != nil {
		return err
	}
	return b.setEpoch(ctx)
}

// setVariables sets the variables of the current Dockerfile that are known before the first FROM,
// and removes the stages whose IF is false.
func (b *builder) setVariables(ctx context.Context) error {
	if len(b.current.Dockerfile.Stages) == 0 {
		end := source.Range{File: b.current.Dockerfile.File.Source, Start: len(b.current.Dockerfile.File.Source.Bytes), End: len(b.current.Dockerfile.File.Source.Bytes)}
		if n := len(b.current.Dockerfile.Args); n > 0 {
			end = b.current.Dockerfile.Args[n-1].In.Rng
		}
		return diag.Errorf(end, "dockerfile contains no stages to build").Hinted("a FROM is missing").KeepLocal()
	}
	b.current.Predefined = predefined(b)
	b.current.Globals = b.current.Predefined
	for _, arg := range b.current.Dockerfile.Args {
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
				b.lowerReplaced(arg, decl, b.current.Globals)
			} else if decl.Default != nil {
				res, d := b.word(b.current.expand, *decl.Default, b.current.Globals)
				if d != nil {
					return d.In(arg.In.Rng)
				}
				b.lowerMapped(arg, *decl.Default, res)
				g.Value, g.Set, g.Uses = res.Value, true, res.Matched
			}
			if g.Set {
				b.current.Globals = b.current.Globals.Set(decl.Key, g.Value)
			}
			b.current.Declarations = append(b.current.Declarations, g)
		}
	}
	if d := b.omitStages(); d != nil {
		return d
	}
	return nil
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
	if b.current.isOther() {
		stage = b.current.target
	}
	if stages := b.current.Dockerfile.Stages; stage == "" && len(stages) > 0 {
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
