package tree

import "path"

// EachFile calls fn for each regular file in the directory n and its subdirectories, in the
// order of their names. The location passed to fn has the path of the file below n. If enter
// is not nil, EachFile skips directories for which it returns false.
func (n *Node) EachFile(enter func(*Node) bool, fn func(Location, *Node)) error {
	return n.eachFile("", enter, fn)
}

func (n *Node) eachFile(at string, enter func(*Node) bool, fn func(Location, *Node)) error {
	if enter != nil && !enter(n) {
		return nil
	}
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(at, e.Name)
		switch e.Node.kind {
		case Dir:
			if err := e.Node.eachFile(name, enter, fn); err != nil {
				return err
			}
		case File:
			fn(Location{Blob: e.Node.blob, Path: name}, e.Node)
		default: // other kinds have no content
		}
	}
	return nil
}
