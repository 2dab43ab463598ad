package source

import (
	"errors"
	"fmt"
)

// Limits of a checkout beside those of a layer. The history of Linux has 11
// million objects; no known repository has more than some hundred submodules.
const (
	maxPackMemory   = 512 << 20                                    // bytes that the packs of a checkout take
	packObjectSize  = 40                                           // bytes of memory for each object of a pack
	namedObjectSize = 240                                          // the same if deltas name what they change by its hash
	packCache       = 32 << 20                                     // bytes of objects that deltas change
	maxPackObjects  = (maxPackMemory - packCache) / packObjectSize // 12,582,912
	maxGitObject    = 1 << 30                                      // bytes
	maxDeltaDepth   = 4096                                         // git makes chains of at most 4,095 deltas
	maxPatched      = 1 << 40                                      // bytes that the deltas of a pack make
	maxGitRefs      = 1 << 28                                      // bytes of the list of refs
	maxSubmodules   = 10_000
	maxModuleDepth  = 100
	maxRuleMatches  = 1 << 30 // files times rules of .gitattributes
)

// gitBudget is how much more a checkout may hold, or what a part of it holds.
type gitBudget struct {
	files, names, bytes int64 // names in bytes, with the targets of links
	submodules, matches int64 // submodules with each repetition
}

func (s *Sources) gitBudget() gitBudget {
	l := s.Limits.OrDefault()
	return gitBudget{int64(l.Files), l.Names, l.Bytes, maxSubmodules, maxRuleMatches}
}

// minus returns how much more b holds than c.
func (b gitBudget) minus(c gitBudget) gitBudget {
	return gitBudget{b.files - c.files, b.names - c.names, b.bytes - c.bytes, b.submodules - c.submodules, b.matches - c.matches}
}

// spend takes the cost of a part of the checkout. It is an error if not enough
// is left.
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
	case b.matches < 0:
		return errors.New("the .gitattributes of the repository have too many rules for its files")
	}
	return nil
}
