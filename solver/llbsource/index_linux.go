package llbsource

import (
	"io/fs"
	"syscall"
)

func fileTimes(info fs.FileInfo) indexedFile {
	e := indexedFile{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		e.Changed, e.Inode = st.Ctim.Nano(), st.Ino
	}
	return e
}
