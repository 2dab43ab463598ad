//go:build !linux

package llbsource

import (
	gofs "io/fs"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// contextFS represents a directory of the host.
type contextFS struct{ fsutil.FS }

// newContextFS returns a contextFS for a directory, which may be a symbolic link.
func newContextFS(dir string) (*contextFS, error) {
	files, err := fsutil.NewFS(dir)
	return &contextFS{files}, err
}

// info returns nil, because this contextFS does not remember file information. The
// caller must read the information itself.
func (*contextFS) info(*types.Stat) gofs.FileInfo { return nil }

// xattrs returns nil, because Walk has already read the extended attributes.
func (*contextFS) xattrs(string) (map[string][]byte, error) { return nil, nil }
