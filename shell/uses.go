package shell

import (
	"cmp"
	"slices"
)

// record records the use of a name.
func (s *scanner) record(u Use, set bool) {
	if set {
		s.matched.add(u)
	} else {
		s.unmatched.add(u)
	}
}

// uses is the first use of each name.
type uses struct {
	list  []Use
	index map[string]int // position in list by name; nil while the list is short
}

// short is the number of names up to which find searches linearly.
const short = 16

func (u *uses) add(use Use) {
	i := u.find(use.Name)
	if i < 0 {
		u.list = append(u.list, use)
		if u.index != nil {
			u.index[use.Name] = len(u.list) - 1
		}
		return
	}
	// Uses in the operand are added before the use of the surrounding
	// expression.
	if use.Offset < u.list[i].Offset {
		u.list[i] = use
	}
}

func (u *uses) find(name string) int {
	if len(u.list) <= short {
		return slices.IndexFunc(u.list, func(x Use) bool { return x.Name == name })
	}
	if u.index == nil {
		u.index = make(map[string]int, 4*short)
		for i, x := range u.list {
			u.index[x.Name] = i
		}
	}
	if i, ok := u.index[name]; ok {
		return i
	}
	return -1
}

// sorted returns the uses in the order of the word. It must be called after the
// last add.
func (u *uses) sorted() []Use {
	slices.SortFunc(u.list, func(a, b Use) int { return cmp.Compare(a.Offset, b.Offset) })
	return u.list
}

func (u *uses) names() []string {
	if len(u.list) == 0 {
		return nil
	}
	names := make([]string, len(u.list))
	for i, x := range u.sorted() {
		names[i] = x.Name
	}
	return names
}
