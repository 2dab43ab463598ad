//go:build !linux

package llbsource

import "io/fs"

func stamps(info fs.FileInfo) indexed {
	return indexed{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
