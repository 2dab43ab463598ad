package frontend

import (
	"slipway/diag"
	"slipway/lint"
	"slipway/lint/rules"
	"slipway/linter"
)

// optIn returns the warnings of rules of slipway lint that the file enables, such as with
// # check=experimental=slipway:recommended. The function unknown reports whether the config of an
// image is unknown. Files that INCLUDE reads have no such warnings.
func (b *build) optIn(in linter.Input, unknown func(ref string) bool) diag.List {
	if !lint.OptsIn(in.File.Source, b.checks) {
		return nil
	}
	return lint.New(rules.All(), lint.Settings{}).CheckBuild(in, b.checks, unknown)
}

// allKnown is the function unknown for builds, which fail if an image cannot be resolved.
func allKnown(string) bool { return false }
