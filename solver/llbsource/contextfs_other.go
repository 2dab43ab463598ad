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

// info returns nil: the caller must ask for the information about the file.
func (*contextFS) info(*types.Stat) gofs.FileInfo { return nil }

// xattrs returns nil: Walk has found the attributes.
func (*contextFS) xattrs(string) (map[string][]byte, error) { return nil, nil }
