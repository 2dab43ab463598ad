package rules

import (
	"slipway/linter"
	"slipway/plan"
)

// Extended returns the rules about extensions. They run only for files with a gate.
func Extended() []*linter.Rule {
	return []*linter.Rule{
		gateWithoutSyntax(),
		unusedBuildArg(),
		advice("UnsetNothing", "UNSET must remove something"),
		advice("StrictScript", "The option strict must reach all commands"),
	}
}

// advice returns a rule that reports the [plan.Advice] facts with its name.
func advice(name, description string) *linter.Rule {
	return &linter.Rule{Name: name, Description: description, Checks: linter.Checks{
		Fact: func(p *linter.Pass, _ *plan.Visit, f plan.Fact) {
			if a, ok := f.(*plan.Advice); ok && a.Check == name {
				p.Report(a.Range, "%s", a.Text)
			}
		},
	}}
}
