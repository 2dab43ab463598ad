package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"strings"
)

// Limits bounds the size of a layer. Without limits, a small compressed archive could fill
// the disk or the memory. If a field is zero, a default applies that is larger than any
// known image.
type Limits struct {
	Bytes int64 // total content of all files; default 128 GiB
	Files int   // number of entries; default 4,194,304
	Names int64 // total bytes of names, link targets and extended attributes; default 512 MiB
}

// OrDefault returns a copy of l in which defaults replace the fields that are zero.
func (l Limits) OrDefault() Limits {
	return Limits{Bytes: cmp.Or(l.Bytes, 1<<37), Files: cmp.Or(l.Files, 1<<22), Names: cmp.Or(l.Names, 1<<29)}
}

// These are the limits of Linux for the length of file names and paths, in bytes.
const (
	maxName = 255
	maxPath = 4096
)

// maxLinkSteps is the maximum number of path lookups that symbolic links may cause while a
// layer is read. Without this limit, reading a layer with long chains of links could take
// hours.
const maxLinkSteps = 1 << 26

// errLong is the error for a name or path that is longer than Linux permits.
var errLong = errors.New("file name too long")

// count subtracts an archive entry from the remaining limits for the number of files
// and for the bytes of names and extended attributes. It does not count the content of
// the entry. It returns an error if a limit is exceeded, or if a name is too long.
func (s *layerScan) count(h *tar.Header) error {
	if s.limits.Files--; s.limits.Files < 0 {
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
	if s.limits.Names -= int64(size); s.limits.Names < 0 {
		return errors.New("the layer has too long names and attributes")
	}
	return nil
}
