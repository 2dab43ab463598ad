package rules

import (
	"strings"

	"github.com/containerd/platforms"

	"slipway/linter"
	"slipway/plan"
)

// fromPlatformFlagConstDisallowed finds a --platform without variables, unless
// the stage's name tells that it is for that system or processor.
func fromPlatformFlagConstDisallowed() *linter.Rule {
	r := knownFromPlatformFlagConstDisallowed
	return r.rule(linter.Checks{From: func(p *linter.Pass, f *plan.From, x *plan.Expansion) {
		if x != f.Platform || len(x.Result.Matched) > 0 || len(x.Result.Unmatched) > 0 {
			return
		}
		of, err := platforms.Parse(x.Result.Value)
		if err != nil {
			return // an error of the build
		}
		if name := f.Syntax.Name; !strings.Contains(name, of.OS) && !strings.Contains(name, of.Architecture) {
			p.Report(x.Word.Text.Range(), "%s", r.text(x.Result.Value))
		}
	}})
}
