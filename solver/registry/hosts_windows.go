package registry

import "io/fs"

// errNotDir is the same as a file that does not exist.
var errNotDir = fs.ErrNotExist
