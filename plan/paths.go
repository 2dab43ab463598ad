package plan

import (
	"path"
	"slices"
)

// Paths is a set of absolute paths that a build reads from a file tree. Not safe for
// concurrent use.
type Paths struct{ set map[string]bool }

// Add adds a path to the set. A relative path starts at the root of the tree.
func (p *Paths) Add(name string) {
	if p.set == nil {
		p.set = map[string]bool{}
	}
	p.set[path.Join("/", name)] = true
}

// AddAll adds all paths in the set o.
func (p *Paths) AddAll(o *Paths) {
	for name := range o.set {
		p.Add(name)
	}
}

// Filter returns the paths, sorted and relative to the root. If the set is empty or contains
// the root, it returns nil, which means that files are not filtered.
func (p *Paths) Filter() []string {
	if p.set["/"] || len(p.set) == 0 {
		return nil
	}
	names := make([]string, 0, len(p.set))
	for name := range p.set {
		names = append(names, path.Join(".", name))
	}
	slices.Sort(names)
	return names
}
