package registry

import "io/fs"

// errNotDir is the error for a path below a file. Windows reports it like a missing
// file.
var errNotDir = fs.ErrNotExist
