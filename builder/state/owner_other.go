//go:build !unix

package state

import "io/fs"

// ownerOf returns 0, because this system has no user IDs.
func ownerOf(fs.FileInfo) int { return 0 }
