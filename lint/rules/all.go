package rules

import (
	"slices"

	"slipway/lint"
)

// All returns all rules.
func All() []*lint.Rule {
	return slices.Concat(
		aptRules(),
		apkRules(),
		yumRules(),
		zypperRules(),
		pipRules(),
		nodeRules(),
		languageRules(),
		commandRules(),
		pipelineRules(),
		imageRules(),
		copyRules(),
		configRules(),
		labelRules(),
		commentRules(),
		trapRules(),
		stageRules(),
		userRules(),
		layerRules(),
		scriptRules(),
		secretRules(),
		contextRules(),
		ignoreFileRules(),
	)
}
