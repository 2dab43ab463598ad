package plan

import (
	"path"
	"slices"
)

// Paths is a growing set of absolute paths that a build reads of a tree.
type Paths struct{ set map[string]bool }

// Add adds a path, which is taken from the root.
func (p *Paths) Add(name string) {
	if p.set == nil {
		p.set = map[string]bool{}
	}
	p.set[path.Join("/", name)] = true
}

// AddAll adds what another set has.
func (p *Paths) AddAll(o *Paths) {
	for name := range o.set {
		p.Add(name)
	}
}

// Filter returns the paths, relative to the root and sorted, if they need not
// be the whole tree; nil if all of it is used, or nothing.
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
