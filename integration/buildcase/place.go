package buildcase

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// defaultTime returns the modification time of files in contexts and archives that have no
// time header.
func defaultTime() time.Time { return time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC) }

// Place creates or changes a file below dir as a header describes. The parameters key and
// value are the two parts of the header. The first word of value is the path of the file. A
// path that contains blanks is a Go string literal:
//
//	mode: context/a 0755       changes the mode of a file
//	time: context/a 2001-02-03T04:05:06Z
//	xattr: context/a user.k v  sets an xattr; v may be a Go string literal
//	dir: context/d 0700        creates an empty directory
//	link: context/l a          creates a symbolic link
//	hard: context/h context/a  creates a hard link
//	fifo: context/f 0600       creates a named pipe
//	socket: context/s          creates a socket
//	size: context/a 100000     truncates a file, or extends it with zeros
//	remove: context/a          removes a file or a directory
//	rename: context/a context/b
func Place(key, dir, value string) error {
	path, arg, err := splitPath(value)
	if err != nil {
		return err
	}
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	switch key {
	case "link":
		return os.Symlink(arg, path)
	case "hard":
		return os.Link(filepath.Join(dir, arg), path)
	case "rename":
		return os.Rename(path, filepath.Join(dir, arg))
	case "remove":
		return os.RemoveAll(path)
	case "socket":
		return makeSocket(path)
	case "time":
		at, err := time.Parse(time.RFC3339Nano, arg)
		if err != nil {
			return err
		}
		return setTime(path, at)
	case "xattr":
		name, v, _ := strings.Cut(arg, " ")
		return unix.Lsetxattr(path, name, []byte(unquote(v)), 0)
	case "size":
		size, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return err
		}
		return os.Truncate(path, size)
	}
	return placeMode(key, path, arg)
}

// splitPath splits the value of a header into its first word and the rest. The first word is a
// path, which may be quoted.
func splitPath(value string) (path, arg string, err error) {
	if !strings.HasPrefix(value, `"`) {
		path, arg, _ = strings.Cut(value, " ")
		return path, arg, nil
	}
	quoted, err := strconv.QuotedPrefix(value)
	if err != nil {
		return "", "", err
	}
	path, err = strconv.Unquote(quoted)
	return path, strings.TrimPrefix(value[len(quoted):], " "), err
}

// placeMode handles headers of the form "KEY: PATH MODE": it sets the mode of a file, or
// creates a directory or a named pipe with this mode. For example, "fifo: context/f 0600"
// creates a pipe. The parameter arg is the mode in octal.
func placeMode(key, path, arg string) error {
	mode, err := strconv.ParseUint(arg, 8, 12)
	if err != nil {
		return err
	}
	switch key {
	case "mode":
		return syscall.Chmod(path, uint32(mode)) // os.Chmod does not accept the setuid bit as 04000
	case "dir":
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		return syscall.Chmod(path, uint32(mode))
	case "fifo":
		return syscall.Mkfifo(path, uint32(mode))
	}
	return fmt.Errorf("unknown key %q", key)
}

// unquote returns the value of a Go string literal. It returns other text unchanged.
func unquote(s string) string {
	if v, err := strconv.Unquote(s); err == nil {
		return v
	}
	return s
}

func makeSocket(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}

func setTime(path string, at time.Time) error {
	ts := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// PackArchive creates a tar archive. It compresses the archive if name ends in .gz or .zst.
// The parameter lines is a text of which each line describes an entry:
//
//	dir 0755 0:0 etc
//	file 0644 7:8 etc/x the content\nof two lines
//	symlink 0777 0:0 l etc/x
//	hardlink 0644 0:0 h etc/x
//	char 0600 0:0 null 1:3
//	fifo 0600 0:0 pipe
//	xattr user.k=v               of the following entry; v may be a Go string literal
func PackArchive(name string, lines []byte) ([]byte, error) {
	var plain, packed bytes.Buffer
	tw := tar.NewWriter(&plain)
	xattrs := map[string]string{}
	for line := range strings.Lines(string(lines)) {
		if k, v, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "xattr "), "="); ok && strings.HasPrefix(line, "xattr ") {
			xattrs["SCHILY.xattr."+k] = unquote(v)
			continue
		}
		if err := packEntry(tw, strings.TrimSuffix(line, "\n"), xattrs); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		xattrs = map[string]string{}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	var w io.WriteCloser
	switch filepath.Ext(name) {
	case ".gz":
		w = gzip.NewWriter(&packed)
	case ".zst":
		z, err := zstd.NewWriter(&packed)
		if err != nil {
			return nil, err
		}
		w = z
	default:
		return plain.Bytes(), nil
	}
	if _, err := plain.WriteTo(w); err != nil {
		return nil, err
	}
	return packed.Bytes(), w.Close()
}

func packEntry(tw *tar.Writer, line string, xattrs map[string]string) error {
	fields := strings.SplitN(line, " ", 5)
	if len(fields) < 4 {
		return fmt.Errorf("%d fields", len(fields))
	}
	arg := ""
	if len(fields) == 5 {
		arg = fields[4]
	}
	h := &tar.Header{Name: fields[3], ModTime: defaultTime(), Format: tar.FormatPAX, PAXRecords: xattrs}
	if _, err := fmt.Sscanf(fields[1]+" "+fields[2], "%o %d:%d", &h.Mode, &h.Uid, &h.Gid); err != nil {
		return err
	}
	var content []byte
	switch fields[0] {
	case "dir":
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case "file":
		content = []byte(strings.ReplaceAll(arg, `\n`, "\n"))
		h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
	case "symlink":
		h.Typeflag, h.Linkname = tar.TypeSymlink, arg
	case "hardlink":
		h.Typeflag, h.Linkname = tar.TypeLink, arg
	case "char":
		h.Typeflag = tar.TypeChar
		if _, err := fmt.Sscanf(arg, "%d:%d", &h.Devmajor, &h.Devminor); err != nil {
			return err
		}
	case "fifo":
		h.Typeflag = tar.TypeFifo
	default:
		return fmt.Errorf("unknown type %s", fields[0])
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	_, err := tw.Write(content)
	return err
}
