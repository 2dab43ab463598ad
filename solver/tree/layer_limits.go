package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"strings"
)

// Limits bounds the size of a layer, as a defence against archives that grow without
// end. If a field is zero, its default applies, which exceeds the size of all known
// images.
type Limits struct {
	Bytes int64 // of all files together
	Files int
	Names int64 // length of all names, link targets and attributes together, in bytes
}

// OrDefault returns the limits with defaults in place of zeros.
func (l Limits) OrDefault() Limits {
	return Limits{Bytes: cmp.Or(l.Bytes, 1<<37), Files: cmp.Or(l.Files, 1<<22), Names: cmp.Or(l.Names, 1<<29)}
}

// Limits of Linux for file names, in bytes.
const (
	maxName = 255
	maxPath = 4096
)

// maxLinkSteps is the maximum number of path lookups caused by symbolic links while a
// layer is read.
const maxLinkSteps = 1 << 26

// errLong is the error for a name that is longer than every system allows.
var errLong = errors.New("file name too long")

// count charges the limits for an entry, except for its content.
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
