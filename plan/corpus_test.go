package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"slipway/internal/corpus"
	"slipway/internal/golden"
	"slipway/plan"
)

// TestCorpus compares the plan of each case with its section out/plan, and the
// image config with out/image. If there is no plan, the error is that of the
// section out/error, which package frontend owns.
func TestCorpus(t *testing.T) {
	golden.Run(t, func(t *testing.T, c *golden.Case) {
		builds, err := corpus.Open(t.Context(), c, c.Opts["platform"])
		if err != nil {
			builds = nil
		}
		var steps, image strings.Builder
		for _, b := range builds {
			p, err := plan.Build(t.Context(), b.Dockerfile, b.Plan)
			if err != nil {
				if b.IsBuild() {
					c.Compare(t, "error", corpus.Error(err))
				}
				steps.Reset()
				image.Reset()
				break
			}
			if len(builds) > 1 {
				fmt.Fprintf(&steps, "for %s\n", b.Platform)
				fmt.Fprintf(&image, "for %s\n", b.Platform)
			}
			dumpPlan(&steps, p)
			if !b.IsBuild() {
				continue
			}
			config, err := corpus.Image(&p.Target.Image, p.Target.BaseImage)
			if err != nil {
				t.Fatal(err)
			}
			image.WriteString(config)
		}
		c.Record(t, "plan", corpus.Compact(steps.String()))
		c.Record(t, "image", corpus.Compact(image.String()))
	})
}
