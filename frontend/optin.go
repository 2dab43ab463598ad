package frontend

import (
	"slipway/diag"
	"slipway/lint"
	"slipway/lint/rules"
	"slipway/linter"
)

// optIn returns the warnings of rules of slipway lint that the file enables, such as with
// # check=experimental=slipway:recommended. The function unknown reports whether the config of an
// image is unknown.
//
// Files with a gate have none, because the rules do not know the extensions.
func (b *build) optIn(in linter.Input, unknown func(ref string) bool) diag.List {
	if b.dockerfile.Gate != nil || !lint.OptsIn(in.File.Source, b.checks) {
		return nil
	}
	return lint.New(rules.All(), lint.Settings{}).CheckBuild(in, b.checks, unknown)
}

// allKnown is the function unknown for builds, which fail if an image cannot be resolved.
func allKnown(string) bool { return false }
