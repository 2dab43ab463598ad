package diag

import (
	"slices"

	"slipway/source"
)

// Rename returns a copy of the list with other file names. The parameter names maps old names
// to new names. A file whose name is not a key of this map keeps its name.
func (l List) Rename(names map[string]string) List {
	r := renamer{names: names, files: map[*source.File]*source.File{}}
	list := make(List, len(l))
	for i, d := range l {
		c := *d
		c.Range, c.Context = r.renameRange(d.Range), r.renameRange(d.Context)
		c.Related = slices.Clone(d.Related)
		for j := range c.Related {
			c.Related[j].Range, c.Related[j].Context = r.renameRange(c.Related[j].Range), r.renameRange(c.Related[j].Context)
		}
		c.Fixes = slices.Clone(d.Fixes)
		for j := range c.Fixes {
			c.Fixes[j].Edits = slices.Clone(c.Fixes[j].Edits)
			for k := range c.Fixes[j].Edits {
				e := &c.Fixes[j].Edits[k]
				e.Range = r.renameRange(e.Range)
			}
		}
		list[i] = &c
	}
	return list
}

// renamer renames source files. It creates each renamed file only once.
type renamer struct {
	names map[string]string
	files map[*source.File]*source.File
}

// renameRange returns a range with the same bytes in the renamed file. A range in a file that
// is not renamed is returned unchanged.
func (r *renamer) renameRange(at source.Range) source.Range {
	if at.IsZero() {
		return at
	}
	name, ok := r.names[at.File.Name]
	if !ok {
		return at
	}
	if r.files[at.File] == nil {
		r.files[at.File] = source.NewFile(name, at.File.Bytes)
	}
	at.File = r.files[at.File]
	return at
}
