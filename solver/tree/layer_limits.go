package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"strings"
)

// Limits bound what a layer may hold, against archives that grow without end.
// Zero allows more than any image that is known.
type Limits struct {
	Bytes int64 // of all files together
	Files int
	Names int64 // bytes of all names, targets of links and attributes together
}

// OrDefault returns the limits with the default in place of each zero.
func (l Limits) OrDefault() Limits {
	return Limits{Bytes: cmp.Or(l.Bytes, 1<<37), Files: cmp.Or(l.Files, 1<<22), Names: cmp.Or(l.Names, 1<<29)}
}

// What Linux allows of names.
const (
	maxName = 255
	maxPath = 4096
)

// maxLinkSteps is how many parts of paths are looked up in a layer because of
// symbolic links.
const maxLinkSteps = 1 << 26

// errLong is what is wrong with names that no system takes.
var errLong = errors.New("file name too long")

// count holds an entry against the limits, all but its content.
func (r *layerReader) count(h *tar.Header) error {
	if r.opt.Limits.Files--; r.opt.Limits.Files < 0 {
		return errors.New("the layer has too many files")
	}
	if len(h.Name) > maxPath || len(h.Linkname) > maxPath {
		return errLong
	}
	for part := range strings.SplitSeq(h.Name, "/") {
		if len(part) > maxName {
			return errLong
		}
	}
	size := len(h.Name) + len(h.Linkname)
	for name, value := range h.PAXRecords {
		if strings.HasPrefix(name, xattrPAX) {
			size += len(name) + len(value)
		}
	}
	if r.opt.Limits.Names -= int64(size); r.opt.Limits.Names < 0 {
		return errors.New("the layer has too long names and attributes")
	}
	return nil
}
