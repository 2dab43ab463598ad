package registry

import "io/fs"

// errNotDir is the error for a path below a regular file. Windows reports such a path
// like a missing file.
var errNotDir = fs.ErrNotExist
