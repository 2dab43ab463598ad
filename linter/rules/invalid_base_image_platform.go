package rules

import (
	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/linter"
	"slipway/plan"
	"slipway/source"
)

// invalidBaseImagePlatform finds images for another platform than was asked
// for, which registries give out if an image is for one platform only.
//
// Upstream: comments above FROM do not skip this rule.
func invalidBaseImagePlatform() *linter.Rule {
	r := knownInvalidBaseImagePlatform
	return r.rule(linter.Checks{Base: func(p *linter.Pass, st *plan.Stage, img *plan.FromImage) {
		want, got := img.Platform, st.BaseImage.Platform
		if want.OS == got.OS && want.Architecture == got.Architecture {
			return
		}
		var at source.Range
		if st.Syntax != nil {
			at = st.Syntax.From.Base.Text.Range()
		}
		p.Report(at, "%s", r.text(img.Name, format(want), format(got)))
	}})
}

func format(p ocispecs.Platform) string { return platforms.FormatAll(platforms.Normalize(p)) }
