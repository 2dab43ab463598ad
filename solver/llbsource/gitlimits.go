package llbsource

import (
	"errors"
	"fmt"
)

// Limits of a checkout in addition to the limits of a layer. The history of Linux has
// 11 million objects. No known repository has more than some hundred submodules.
const (
	maxPackMemory   = 512 << 20                                    // bytes of memory for all open packs of a checkout
	packObjectSize  = 40                                           // bytes of memory per object of a pack
	namedObjectSize = 240                                          // the same if deltas refer to their bases by hash
	packCache       = 32 << 20                                     // bytes of cached bases of deltas
	maxPackObjects  = (maxPackMemory - packCache) / packObjectSize // 12,582,912
	maxGitObject    = 1 << 30                                      // bytes
	maxDeltaDepth   = 4096                                         // git creates chains of at most 4,095 deltas
	minPackWork     = 64 << 30                                     // bytes that are decompressed and patched to read a pack of any size
	packWorkRatio   = 256                                          // more of these bytes for each byte of the pack; about 50 for the history of Linux
	maxGitTree      = 32 << 20                                     // bytes of a directory
	maxGitRefs      = 1 << 28                                      // bytes of the list of refs
	maxSubmodules   = 10_000
	maxModuleDepth  = 100
	maxRuleSteps    = 1 << 34 // bytes of file names times bytes of the patterns of .gitattributes
	maxRuleLine     = 2047    // bytes of a line of .gitattributes; git ignores longer ones
)

// gitBudget is the remaining budget of a checkout, or the cost of a part of it.
type gitBudget struct {
	files, names, bytes int64 // names in bytes, including link targets
	submodules, steps   int64 // submodules are counted each time they appear
}

func (s *Sources) gitBudget() gitBudget {
	l := s.Limits.OrDefault()
	return gitBudget{int64(l.Files), l.Names, l.Bytes, maxSubmodules, maxRuleSteps}
}

// minus returns the difference between two budgets.
func (b gitBudget) minus(c gitBudget) gitBudget {
	return gitBudget{b.files - c.files, b.names - c.names, b.bytes - c.bytes, b.submodules - c.submodules, b.steps - c.steps}
}

// spend deducts a cost. It returns an error if the budget is exceeded.
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
