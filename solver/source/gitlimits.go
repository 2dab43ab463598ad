package source

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of a checkout beside those of a layer. The history of Linux has 11
// million objects; no known repository has more than some hundred submodules.
const (
	maxPackObjects  = 1 << 24
	maxSubmodules   = 10_000
	maxModuleDepth  = 100
	maxRuleMatches  = 1 << 30 // files times rules of .gitattributes
	packHeaderBytes = 12      // "PACK", version, number of objects
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

// checkedPack returns a reader of the whole pack that r reads. It is an error if
// the pack claims more objects than any repository has, as go-git allocates
// memory for all of them before it reads the first.
func checkedPack(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(packHeaderBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(head) == packHeaderBytes {
		if n := binary.BigEndian.Uint32(head[8:]); n > maxPackObjects {
			return nil, fmt.Errorf("the pack claims to have %d objects, more than %d", n, maxPackObjects)
		}
	}
	return b, nil
}
