package rules

import (
	catalogue "github.com/moby/buildkit/frontend/dockerfile/linter"

	"slipway/linter"
)

// entry is a rule of BuildKit's catalogue. Clients match on its texts.
type entry[F any] struct {
	meta linter.Rule
	text F // words the message
}

func known[F any](r catalogue.LinterRule[F]) entry[F] {
	return entry[F]{
		meta: linter.Rule{Name: r.Name, Description: r.Description, URL: r.URL, Experimental: r.Experimental},
		text: r.Format,
	}
}

// rule returns the rule with the functions that find it.
func (e entry[F]) rule(c linter.Checks) *linter.Rule {
	r := e.meta
	r.Checks = c
	return &r
}

// The entries, in the order of the catalogue.
var (
	knownStageNameCasing                 = known(catalogue.RuleStageNameCasing)
	knownFromAsCasing                    = known(catalogue.RuleFromAsCasing)
	knownNoEmptyContinuation             = known(catalogue.RuleNoEmptyContinuation)
	knownConsistentInstructionCasing     = known(catalogue.RuleConsistentInstructionCasing)
	knownDuplicateStageName              = known(catalogue.RuleDuplicateStageName)
	knownReservedStageName               = known(catalogue.RuleReservedStageName)
	knownJSONArgsRecommended             = known(catalogue.RuleJSONArgsRecommended)
	knownMaintainerDeprecated            = known(catalogue.RuleMaintainerDeprecated)
	knownUndefinedArgInFrom              = known(catalogue.RuleUndefinedArgInFrom)
	knownWorkdirRelativePath             = known(catalogue.RuleWorkdirRelativePath)
	knownUndefinedVar                    = known(catalogue.RuleUndefinedVar)
	knownMultipleInstructionsDisallowed  = known(catalogue.RuleMultipleInstructionsDisallowed)
	knownLegacyKeyValueFormat            = known(catalogue.RuleLegacyKeyValueFormat)
	knownInvalidBaseImagePlatform        = known(catalogue.RuleInvalidBaseImagePlatform)
	knownRedundantTargetPlatform         = known(catalogue.RuleRedundantTargetPlatform)
	knownSecretsUsedInArgOrEnv           = known(catalogue.RuleSecretsUsedInArgOrEnv)
	knownInvalidDefaultArgInFrom         = known(catalogue.RuleInvalidDefaultArgInFrom)
	knownFromPlatformFlagConstDisallowed = known(catalogue.RuleFromPlatformFlagConstDisallowed)
	knownCopyIgnoredFile                 = known(catalogue.RuleCopyIgnoredFile)
	knownInvalidDefinitionDescription    = known(catalogue.RuleInvalidDefinitionDescription)
	knownExposeProtoCasing               = known(catalogue.RuleExposeProtoCasing)
	knownExposeInvalidFormat             = known(catalogue.RuleExposeInvalidFormat)
)
