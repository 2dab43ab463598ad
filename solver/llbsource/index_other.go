//go:build !linux

package source

import "io/fs"

func stamps(info fs.FileInfo) indexed {
	return indexed{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
