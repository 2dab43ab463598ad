package cachemap

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"slipway/solver/contenthash"
)

// fileRecord is the data that the digest of a file operation covers. Its JSON must be equal
// to BuildKit's.
type fileRecord struct {
	Type    string
	Actions [][]byte
	Indexes [][]int `json:"indexes,omitempty"`
}

// file returns the record that the digest of a file operation covers. It also sets the
// field Copies of the cache map m, and the selectors of the inputs that the operation
// reads but does not change.
func (m *Map) file(op *pb.FileOp) (fileRecord, error) {
	r := fileRecord{Type: "buildkit.file.v0"}
	selected := make([][]contenthash.Selector, len(m.Inputs))
	written := make([]bool, len(m.Inputs))
	add := func(i int64, s contenthash.Selector) {
		if i >= 0 && i < int64(len(selected)) {
			selected[i] = append(selected[i], s)
		}
	}
	for _, a := range op.Actions {
		if a.Input >= 0 && a.Input < int64(len(written)) {
			written[a.Input] = true
		}
		for _, n := range Accounts(a) {
			add(n.Input, contenthash.Selector{Path: n.File, FollowLinks: true})
		}
		data := action(a)
		if c := a.GetCopy(); c != nil && a.SecondaryInput >= 0 && a.SecondaryInput < int64(len(selected)) {
			add(a.SecondaryInput, CopySelector(c))
			c = c.CloneVT()
			c.Src = path.Base(c.Src)
			data = c
		}
		encoded, err := json.Marshal(data)
		if err != nil {
			return r, err
		}
		r.Actions = append(r.Actions, encoded)
		r.Indexes = append(r.Indexes, []int{int(a.Input), int(a.SecondaryInput), int(a.Output)})
	}
	if plainIndexes(r.Indexes) {
		r.Indexes = nil
	}
	m.Copies = uncovered(op, written)
	for i, list := range selected {
		if len(list) == 0 || written[i] {
			continue
		}
		var paths []string
		for _, s := range list {
			paths = append(paths, s.Path)
		}
		slices.Sort(paths)
		slices.Reverse(paths)
		m.Inputs[i] = Input{
			Selector:  digest.FromString(strings.Join(paths, "\x00")),
			ByContent: true, Content: mergeSelectors(list),
		}
	}
	return r, nil
}

// action returns the message that describes one kind of file action, such as a
// *pb.FileActionMkDir. The digest of the operation covers this message.
func action(a *pb.FileAction) any {
	switch a := a.Action.(type) {
	case *pb.FileAction_Mkdir:
		return a.Mkdir
	case *pb.FileAction_Mkfile:
		return a.Mkfile
	case *pb.FileAction_Symlink:
		return a.Symlink
	case *pb.FileAction_Rm:
		return a.Rm
	case *pb.FileAction_Copy:
		return a.Copy
	}
	return nil
}

// uncovered returns the copy actions for the field [Map.Copies]: the actions that copy from an
// input that the operation also changes. Element i of written reports whether the operation
// changes the input with index i.
func uncovered(op *pb.FileOp, written []bool) []Copy {
	var list []Copy
	for n, a := range op.Actions {
		if c, from := a.GetCopy(), a.SecondaryInput; c != nil && from >= 0 && from < int64(len(written)) && written[from] {
			list = append(list, Copy{n, c.Src})
		}
	}
	return list
}

// Account is the name of a user or group that an action looks up in an account file.
type Account struct {
	Input int64  // index of an input of the operation or of an earlier action
	File  string // "/etc/passwd" or "/etc/group"
	Name  string // name of the user or group
}

// Accounts returns the names of the user and the group that an action looks up in account
// files. Numeric ids are not looked up.
func Accounts(a *pb.FileAction) []Account {
	var list []Account
	if n := Owner(a).GetUser().GetByName(); n != nil {
		list = append(list, Account{n.Input, "/etc/passwd", n.Name})
	}
	if n := Owner(a).GetGroup().GetByName(); n != nil {
		list = append(list, Account{n.Input, "/etc/group", n.Name})
	}
	return list
}

// Owner returns the owner that an action sets, or nil if it sets none.
func Owner(a *pb.FileAction) *pb.ChownOpt {
	switch a := a.Action.(type) {
	case *pb.FileAction_Mkdir:
		return a.Mkdir.GetOwner()
	case *pb.FileAction_Mkfile:
		return a.Mkfile.GetOwner()
	case *pb.FileAction_Symlink:
		return a.Symlink.GetOwner()
	case *pb.FileAction_Copy:
		return a.Copy.GetOwner()
	}
	return nil
}

// CopySelector returns a selector for the files that the copy c reads from its source.
func CopySelector(c *pb.FileActionCopy) contenthash.Selector {
	return contenthash.Selector{
		Path: c.Src, FollowLinks: c.FollowSymlink, Wildcard: c.AllowWildcard && contenthash.HasWildcard(c.Src),
		Include: c.IncludePatterns, Exclude: c.ExcludePatterns, Required: c.RequiredPaths,
	}
}

// mergeSelectors returns the given selectors, sorted by path. It drops a selector without
// patterns if its path is below the path of another selector that has no patterns and the same
// value of FollowLinks.
func mergeSelectors(list []contenthash.Selector) []contenthash.Selector {
	var plain, followed []string
	var filtered []contenthash.Selector
	for _, s := range list {
		switch {
		case s.Wildcard || len(s.Include) > 0 || len(s.Exclude) > 0:
			filtered = append(filtered, s)
		case s.FollowLinks:
			followed = append(followed, s.Path)
		default:
			plain = append(plain, s.Path)
		}
	}
	var out []contenthash.Selector
	for _, p := range outermost(plain) {
		out = append(out, contenthash.Selector{Path: p})
	}
	for _, p := range outermost(followed) {
		out = append(out, contenthash.Selector{Path: p, FollowLinks: true})
	}
	out = append(out, filtered...)
	slices.SortFunc(out, func(a, b contenthash.Selector) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// plainIndexes reports whether the indexes of actions have the usual form: each action changes
// the outcome of the preceding action, the first action changes input 0, and copies read from
// input 1. Each element of list contains three indexes of one action: its input, its secondary
// input and its output.
//
// Upstream: in this case, the digest does not cover the indexes. Early versions of BuildKit
// supported only this form, and their caches are still valid.
func plainIndexes(list [][]int) bool {
	for i, ix := range list {
		input, output := len(list)+i-1, -1
		if i == 0 {
			input = 0
		}
		if i == len(list)-1 {
			output = 0
		}
		if ix[0] != input || ix[1] != -1 && ix[1] != 1 || ix[2] != output {
			return false
		}
	}
	return len(list) > 0
}
