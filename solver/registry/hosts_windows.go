package registry

import "io/fs"

// errNotDir is the error for a path whose parent is a regular file. On Windows it is
// [fs.ErrNotExist], because Windows does not distinguish such a path from a missing file.
var errNotDir = fs.ErrNotExist
