package rules

import "slipway/linter"

// All returns all rules. If several rules report the same instruction or stage, their
// warnings are in the order of this list, which is upstream's order.
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
