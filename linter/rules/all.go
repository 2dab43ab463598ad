package rules

import "slipway/linter"

// All returns all rules. The order is that in which several report on the same
// thing, which is upstream's.
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
