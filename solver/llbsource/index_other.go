//go:build !linux

package llbsource

import "io/fs"

func fileTimes(info fs.FileInfo) indexedFile {
	return indexedFile{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
