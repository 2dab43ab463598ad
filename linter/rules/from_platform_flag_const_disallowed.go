package rules

import (
	"strings"

	"github.com/containerd/platforms"

	"slipway/linter"
	"slipway/plan"
)

// fromPlatformFlagConstDisallowed reports a FROM --platform without variables. It accepts
// a stage whose name contains the operating system or the architecture of the platform.
func fromPlatformFlagConstDisallowed() *linter.Rule {
	r := catalogueFromPlatformFlagConstDisallowed
	return r.rule(linter.Checks{From: func(p *linter.Pass, f *plan.From, x *plan.Expansion) {
		if x != f.Platform || len(x.Result.Matched) > 0 || len(x.Result.Unmatched) > 0 {
			return
		}
		of, err := platforms.Parse(x.Result.Value)
		if err != nil {
			return // the build reports the error
		}
		if name := f.Syntax.Name; !strings.Contains(name, of.OS) && !strings.Contains(name, of.Architecture) {
			p.Report(x.Word.Text.Range(), "%s", r.text(x.Result.Value))
		}
	}})
}
