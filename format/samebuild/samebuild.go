// Package samebuild compares what two Dockerfiles build.
//
// Compare converts each stage of both files to LLB, with the stage as the target. The operations
// must have the same digests, and the image configs must be equal, including the history. Nothing
// outside of the files is read: each image has an empty config and a digest made of its name, and
// the build context is a local directory.
//
// Package format uses it to prove that a layout does not change a build. It is a package of its
// own because it imports BuildKit's client, which package format does not.
package samebuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/diag"
	"slipway/dockerfile2llb"
	"slipway/ignore"
	"slipway/instructions"
	"slipway/parser"
	"slipway/plan"
)

// Compare returns an error if the two files build different results. If a stage of a cannot be
// converted, the same stage of b must fail with the same text, except for the numbers of lines.
func Compare(ctx context.Context, a, b *parser.File) error {
	x, errX := instructions.Parse(a)
	y, errY := instructions.Parse(b)
	if errX.Err() != nil || errY.Err() != nil {
		return sameText(first(errX), first(errY))
	}
	if len(x.Stages) != len(y.Stages) {
		return fmt.Errorf("%d stages instead of %d", len(y.Stages), len(x.Stages))
	}
	if len(x.Stages) == 0 {
		return nil
	}
	for i := range x.Stages {
		if err := compareStage(ctx, x, y, i); err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// compareStage compares the results of the stages with the index i.
func compareStage(ctx context.Context, x, y *instructions.Dockerfile, i int) error {
	a, errA := convert(ctx, x, i)
	b, errB := convert(ctx, y, i)
	switch {
	case errA != nil || errB != nil:
		return sameText(errA, errB)
	case !bytes.Equal(a.config, b.config):
		return fmt.Errorf("config %s instead of %s", b.config, a.config)
	case len(a.ops) != len(b.ops):
		return fmt.Errorf("%d operations instead of %d", len(b.ops), len(a.ops))
	}
	for i := range a.ops {
		if a.ops[i] != b.ops[i] {
			return fmt.Errorf("operation %d differs", i)
		}
	}
	return nil
}

// first returns the first error in a list, or nil. Builds fail with this error.
func first(list diag.List) error {
	for _, d := range list {
		if d.Severity == diag.Error {
			return d
		}
	}
	return nil
}

// sameText returns an error if the texts of a and b differ in more than the numbers of lines.
func sameText(a, b error) error {
	if text := errorText(a); text != errorText(b) {
		return fmt.Errorf("error %q instead of %q", errorText(b), text)
	}
	return nil
}

// errorText returns the text of err without the numbers of lines. If err is nil, it returns "".
func errorText(err error) string {
	if err == nil {
		return ""
	}
	return regexp.MustCompile(`line \d+`).ReplaceAllString(err.Error(), "line N")
}

// result describes the result of a stage.
type result struct {
	ops    []digest.Digest
	config []byte
}

// convert converts the stage with the index i to LLB.
func convert(ctx context.Context, d *instructions.Dockerfile, i int) (*result, error) {
	target := *d
	target.Stages = d.Stages[:i+1] // the last stage is the target
	linux := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	caps := pb.Caps.CapSet(pb.Caps.All())
	opt := dockerfile2llb.Options{Inputs: stub{}, Caps: &caps}
	opt.Plan.Platform = &linux
	opt.Plan.BuildPlatforms = []ocispecs.Platform{linux}
	res, err := dockerfile2llb.Convert(ctx, &target, opt)
	if err != nil {
		return nil, err
	}
	def, err := res.Marshal(ctx, llb.LocalUniqueID("context"))
	if err != nil {
		return nil, err
	}
	out := &result{}
	for _, op := range def.Def {
		out.ops = append(out.ops, digest.FromBytes(op))
	}
	out.config, err = json.Marshal(res.Image)
	return out, err
}

// stub implements [dockerfile2llb.Inputs] without reading anything.
type stub struct{}

// Image returns an image with a layer and an empty config.
func (stub) Image(_ context.Context, ref string, q plan.ImageQuery) (*plan.Resolved, error) {
	p := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	if q.Platform != nil {
		p = *q.Platform
	}
	image := ocispecs.Image{Platform: p}
	image.RootFS.Type = "layers"
	image.RootFS.DiffIDs = []digest.Digest{digest.FromString("")} // without a layer, an image counts as scratch
	config, err := json.Marshal(image)
	if err != nil {
		return nil, err
	}
	return &plan.Resolved{Ref: ref, Digest: digest.FromString(ref), Config: config}, nil
}

// Context returns nil, because named contexts do not exist.
func (stub) Context(context.Context, string, *ocispecs.Platform) (plan.NamedContext, error) {
	return nil, nil
}

// Ignore returns nil, because the context has no ignore file.
func (stub) Ignore(context.Context) (*ignore.Matcher, error) { return nil, nil }

// Time returns nil, because times are unknown.
func (stub) Time(context.Context, plan.TimeSource) (*time.Time, error) { return nil, nil }

// State returns a local source with the paths that the build reads. Named contexts do not exist.
func (stub) State(_ context.Context, in *plan.Input, used *plan.Paths) (llb.State, error) {
	if in != nil {
		return llb.State{}, errors.New("unexpected named context")
	}
	return llb.Local("context", llb.FollowPaths(used.Filter())), nil
}
