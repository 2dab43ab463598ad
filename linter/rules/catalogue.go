package rules

import (
	catalogue "github.com/moby/buildkit/frontend/dockerfile/linter"

	"slipway/linter"
)

// catalogueRule is a rule in BuildKit's catalogue of build checks. It has BuildKit's name,
// description and URL, because clients match on them.
type catalogueRule[F any] struct {
	meta linter.Rule
	text F // a function that formats the message
}

// fromCatalogue converts a rule from BuildKit's package linter to a catalogueRule.
func fromCatalogue[F any](r catalogue.LinterRule[F]) catalogueRule[F] {
	return catalogueRule[F]{
		meta: linter.Rule{Name: r.Name, Description: r.Description, URL: r.URL, Experimental: r.Experimental},
		text: r.Format,
	}
}

// rule returns a [linter.Rule] with the name and the texts from BuildKit's catalogue, and
// with the callbacks c.
func (e catalogueRule[F]) rule(c linter.Checks) *linter.Rule {
	r := e.meta
	r.Checks = c
	return &r
}

// The rules in BuildKit's catalogue, in the order of the catalogue.
var (
	catalogueStageNameCasing                 = fromCatalogue(catalogue.RuleStageNameCasing)
	catalogueFromAsCasing                    = fromCatalogue(catalogue.RuleFromAsCasing)
	catalogueNoEmptyContinuation             = fromCatalogue(catalogue.RuleNoEmptyContinuation)
	catalogueConsistentInstructionCasing     = fromCatalogue(catalogue.RuleConsistentInstructionCasing)
	catalogueDuplicateStageName              = fromCatalogue(catalogue.RuleDuplicateStageName)
	catalogueReservedStageName               = fromCatalogue(catalogue.RuleReservedStageName)
	catalogueJSONArgsRecommended             = fromCatalogue(catalogue.RuleJSONArgsRecommended)
	catalogueMaintainerDeprecated            = fromCatalogue(catalogue.RuleMaintainerDeprecated)
	catalogueUndefinedArgInFrom              = fromCatalogue(catalogue.RuleUndefinedArgInFrom)
	catalogueWorkdirRelativePath             = fromCatalogue(catalogue.RuleWorkdirRelativePath)
	catalogueUndefinedVar                    = fromCatalogue(catalogue.RuleUndefinedVar)
	catalogueMultipleInstructionsDisallowed  = fromCatalogue(catalogue.RuleMultipleInstructionsDisallowed)
	catalogueLegacyKeyValueFormat            = fromCatalogue(catalogue.RuleLegacyKeyValueFormat)
	catalogueInvalidBaseImagePlatform        = fromCatalogue(catalogue.RuleInvalidBaseImagePlatform)
	catalogueRedundantTargetPlatform         = fromCatalogue(catalogue.RuleRedundantTargetPlatform)
	catalogueSecretsUsedInArgOrEnv           = fromCatalogue(catalogue.RuleSecretsUsedInArgOrEnv)
	catalogueInvalidDefaultArgInFrom         = fromCatalogue(catalogue.RuleInvalidDefaultArgInFrom)
	catalogueFromPlatformFlagConstDisallowed = fromCatalogue(catalogue.RuleFromPlatformFlagConstDisallowed)
	catalogueCopyIgnoredFile                 = fromCatalogue(catalogue.RuleCopyIgnoredFile)
	catalogueInvalidDefinitionDescription    = fromCatalogue(catalogue.RuleInvalidDefinitionDescription)
	catalogueExposeProtoCasing               = fromCatalogue(catalogue.RuleExposeProtoCasing)
	catalogueExposeInvalidFormat             = fromCatalogue(catalogue.RuleExposeInvalidFormat)
)
