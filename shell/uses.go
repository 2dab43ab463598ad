package shell

import (
	"cmp"
	"slices"
)

// record adds the use u of a variable to one of two lists: the uses of set variables, or the
// uses of unset variables.
func (s *scanner) record(u Use, set bool) {
	if set {
		s.matched.add(u)
	} else {
		s.unmatched.add(u)
	}
}

// uses holds the first use of each variable name.
type uses struct {
	list  []Use
	index map[string]int // name → index in list; nil up to maxLinear names
}

// maxLinear is the maximum number of names for which find searches the list linearly.
const maxLinear = 16

// add adds a use to the list. If the list has several uses of the same variable name, add
// retains only the use with the smallest offset.
func (u *uses) add(use Use) {
	i := u.find(use.Name)
	if i < 0 {
		u.list = append(u.list, use)
		if u.index != nil {
			u.index[use.Name] = len(u.list) - 1
		}
		return
	}
	// The uses in an operand are added before the use of the surrounding expression,
	// which starts earlier.
	if use.Offset < u.list[i].Offset {
		u.list[i] = use
	}
}

// find returns the index of a variable name in the list, or -1.
func (u *uses) find(name string) int {
	if len(u.list) <= maxLinear {
		return slices.IndexFunc(u.list, func(x Use) bool { return x.Name == name })
	}
	if u.index == nil {
		u.index = make(map[string]int, 4*maxLinear)
		for i, x := range u.list {
			u.index[x.Name] = i
		}
	}
	if i, ok := u.index[name]; ok {
		return i
	}
	return -1
}

// sorted returns the uses in the order of their offsets. After this call, no use may be
// added.
func (u *uses) sorted() []Use {
	slices.SortFunc(u.list, func(a, b Use) int { return cmp.Compare(a.Offset, b.Offset) })
	return u.list
}

// names returns the variable names in the order of their first use.
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
