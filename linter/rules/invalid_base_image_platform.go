package rules

import (
	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"slipway/linter"
	"slipway/plan"
	"slipway/source"
)

// invalidBaseImagePlatform reports base images whose platform differs from the requested
// platform. A registry returns such an image if the reference is a manifest instead of an
// index.
//
// Upstream: the rule ignores # check=skip comments above FROM.
func invalidBaseImagePlatform() *linter.Rule {
	r := catalogueInvalidBaseImagePlatform
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

// format returns the normalized form of the platform p as text, such as linux/arm64.
func format(p ocispecs.Platform) string { return platforms.FormatAll(platforms.Normalize(p)) }
