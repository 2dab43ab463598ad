package plan_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"slipway/internal/corpus"
	"slipway/internal/golden"
	"slipway/plan"
)

// TestCorpus compares the plan of each corpus case with the section out/plan of the case, and
// the image config with out/image. If planning fails, it compares the error with out/error,
// which the tests of package frontend write. Each case is also planned for other platforms: the
// last line of out/plan is a digest of the resulting plans and configs.
func TestCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		own := c.Opts["platform"]
		steps, image, err := planTexts(t.Context(), c, own)
		if err != nil {
			c.Compare(t, "error", corpus.Error(err))
		}
		if image != "" {
			var others strings.Builder
			for _, p := range c.Platforms() {
				if p != own {
					steps, image, err := planTexts(t.Context(), c, p)
					fmt.Fprintf(&others, "%s\n%s%s%v\n", p, steps, image, err)
				}
			}
			if others.Len() > 0 {
				steps += fmt.Sprintf("other platforms %s\n", corpus.Short(others.String()))
			}
		}
		c.Record(t, "plan", corpus.Compact(steps))
		c.Record(t, "image", corpus.Compact(image))
	})
}

// planTexts returns the texts of the plan and of the image config of a corpus case. The
// parameter platform is the value of the frontend option platform. Both texts are empty if the
// frontend makes no plan for the case. The image config is empty if the case is a subrequest.
// If the Dockerfile is valid but the build fails, planTexts returns the error.
func planTexts(ctx context.Context, c *golden.Case, platform string) (steps, image string, err error) {
	builds, err := corpus.Open(ctx, c, platform)
	if err != nil {
		return "", "", nil
	}
	for _, b := range builds {
		p, err := plan.Build(ctx, b.Dockerfile, b.Plan)
		if err != nil && b.IsBuild() {
			return "", "", err
		}
		if err != nil {
			return "", "", nil
		}
		if len(builds) > 1 {
			steps += fmt.Sprintf("for %s\n", b.Platform)
			image += fmt.Sprintf("for %s\n", b.Platform)
		}
		steps += planText(p)
		if !b.IsBuild() {
			continue
		}
		config, err := corpus.Image(&p.Target.Image, p.Target.BaseImage)
		if err != nil {
			return "", "", err
		}
		image += config
	}
	return steps, image, nil
}
