package rules

import "slipway/linter"

// All returns all rules. If several rules report on the same element, their
// warnings appear in this order, which is upstream's.
func All() []*linter.Rule {
	return []*linter.Rule{
		noEmptyContinuation(),

		maintainerDeprecated(),
		stageNameCasing(),
		fromAsCasing(),
		invalidDefinitionDescription(),

		reservedStageName(),
		duplicateStageName(),
		consistentInstructionCasing(),

		invalidDefaultArgInFrom(),
		undefinedArgInFrom(),
		redundantTargetPlatform(),
		fromPlatformFlagConstDisallowed(),
		invalidBaseImagePlatform(),

		legacyKeyValueFormat(),
		secretsUsedInArgOrEnv(),
		undefinedVar(),
		workdirRelativePath(),
		copyIgnoredFile(),
		exposeProtoCasing(),
		exposeInvalidFormat(),
		multipleInstructionsDisallowed(),
		jsonArgsRecommended(),
	}
}
