package llbsource

import (
	"errors"
	"fmt"
)

// These are the limits of a git checkout, which must also satisfy the limits of an image
// layer. For comparison, the history of Linux has 11 million objects, and no known repository
// has more than a few hundred submodules.
const (
	maxPackMemory   = 512 << 20                                    // bytes of memory for all open packs of a checkout
	packObjectSize  = 40                                           // bytes of memory per object in a pack
	namedObjectSize = 240                                          // bytes of memory per object if deltas refer to bases by hash
	packCache       = 32 << 20                                     // bytes of memory for the bases of deltas
	maxPackObjects  = (maxPackMemory - packCache) / packObjectSize // 12,582,912
	maxGitObject    = 1 << 30                                      // bytes
	maxDeltaDepth   = 4096                                         // git creates chains of at most 4,095 deltas
	minPackWork     = 64 << 30                                     // bytes to decompress and patch for a pack of any size
	packWorkRatio   = 256                                          // additional bytes to decompress and patch per byte of the pack; the history of Linux needs about 50
	maxGitTree      = 32 << 20                                     // bytes of a tree object, which is one directory
	maxGitRefs      = 1 << 28                                      // bytes of the list of refs
	maxSubmodules   = 10_000
	maxModuleDepth  = 100
	maxRuleSteps    = 1 << 34 // bytes of file names times bytes of the patterns of .gitattributes
	maxRuleLine     = 2047    // bytes of a line of .gitattributes; git ignores longer ones
)

// gitBudget counts the files, bytes, submodules and other contents of a checkout. It is
// either the remaining allowance of a checkout, or the cost of a part of it, such as a
// submodule.
type gitBudget struct {
	files      int64
	names      int64 // bytes of file names and link targets
	bytes      int64 // bytes of file contents
	submodules int64 // each appearance of a submodule counts
	steps      int64 // comparisons of .gitattributes patterns, as in maxRuleSteps
}

func (s *Sources) gitBudget() gitBudget {
	l := s.Limits.OrDefault()
	return gitBudget{files: int64(l.Files), names: l.Names, bytes: l.Bytes, submodules: maxSubmodules, steps: maxRuleSteps}
}

// minus returns the difference of the budgets b and c. For example, the cost of a submodule is
// the difference of the budgets before and after reading it.
func (b gitBudget) minus(c gitBudget) gitBudget {
	return gitBudget{
		files: b.files - c.files, names: b.names - c.names, bytes: b.bytes - c.bytes,
		submodules: b.submodules - c.submodules, steps: b.steps - c.steps,
	}
}

// spend deducts a cost from the budget. It returns an error if the budget is exceeded.
func (b *gitBudget) spend(cost gitBudget) error {
	*b = b.minus(cost)
	switch {
	case b.files < 0:
		return errors.New("the repository has too many files")
	case b.names < 0:
		return errors.New("the repository has too long names and links")
	case b.bytes < 0:
		return errors.New("the repository is too large")
	case b.submodules < 0:
		return fmt.Errorf("the repository has more than %d submodules", maxSubmodules)
	case b.steps < 0:
		return errors.New("the .gitattributes of the repository have too many rules for its files")
	}
	return nil
}
