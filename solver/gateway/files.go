package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"slipway/solver/tree"
)

// maxRead is the maximum number of bytes that a frontend can read from a file at once.
// BuildKit has the same limit due to the maximum size of its gRPC messages. A read of a
// range returns up to one byte more, so that callers can detect larger files.
const maxRead = 16 << 20

// errNotRegular is the error for reading the content of a directory, a device or another
// file that is not regular. BuildKit's error has the same text.
var errNotRegular = errors.New("not a regular file")

// errEscapes is the error for a path that leads out of a mount. It has the same text as
// the error that [os.Root] returns for such a path.
var errEscapes = errors.New("path escapes from parent")

// notExistError returns the error of the operation op for a path that does not exist. The
// parameter name is the requested path, and resolved is this path after following links
// in root. If a parent of the path is not a directory, the error is ENOTDIR.
func notExistError(op, name string, root *tree.Node, resolved string) error {
	errno := syscall.ENOENT
	for dir := path.Dir("/" + resolved); dir != "/"; dir = path.Dir(dir) {
		n, err := root.Get(dir)
		if err != nil {
			return err
		}
		if n != nil && n.Kind() != tree.Dir {
			op, errno = "lstat", syscall.ENOTDIR // detected while the path is resolved
		}
	}
	return &fs.PathError{Op: op, Path: name, Err: errno}
}

// resolveWithin follows links from a path in a file system and returns the node. A link
// that leads out of the file system is an error. If allowLink is set and such a link is
// the last element of the path, resolveWithin returns the link itself.
func resolveWithin(root *tree.Node, op, name string, allowLink bool) (*tree.Node, error) {
	rest, at := strings.Split(path.Clean(name), "/"), []string{}
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return nil, &fs.PathError{Op: op, Path: name, Err: errEscapes}
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, part)
		n, err := root.Get(path.Join(at...))
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, notExistError(op, name, root, path.Join(at...))
		}
		if n.Kind() != tree.Symlink {
			continue
		}
		if links++; links > 255 {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ELOOP}
		}
		if path.IsAbs(n.Target()) || strings.HasPrefix(path.Join(path.Join(at[:len(at)-1]...), n.Target()), "..") {
			if allowLink && len(rest) == 0 {
				return n, nil
			}
			return nil, &fs.PathError{Op: op, Path: name, Err: errEscapes}
		}
		at = at[:len(at)-1]
		rest = append(strings.Split(n.Target(), "/"), rest...)
	}
	return root.Get(path.Join(at...))
}

// readRange returns the requested range of the file n. If the request has no range, it
// returns the whole file.
func readRange(store *tree.Store, n *tree.Node, req client.ReadRequest) ([]byte, error) {
	if n.Kind() != tree.File {
		return nil, &fs.PathError{Op: "open", Path: req.Filename, Err: errNotRegular}
	}
	f, err := store.Open(n.Blob())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	offset, length, whole := int64(0), int64(maxRead+1), true
	if r := req.Range; r != nil {
		if r.Offset < 0 || r.Length < 0 {
			return nil, fmt.Errorf("invalid range for %s", req.Filename)
		}
		offset, length, whole = int64(r.Offset), min(length, int64(r.Length)), r.Length > maxRead+1
	}
	data, err := io.ReadAll(io.NewSectionReader(f, offset, length))
	if err == nil && whole && len(data) > maxRead {
		return nil, fmt.Errorf("%s exceeds maximum allowed size of %d bytes", req.Filename, maxRead)
	}
	return data, err
}

// readDir lists the entries of the directory n that match the pattern of the request. It
// interprets patterns as BuildKit does.
func readDir(ctx context.Context, n *tree.Node, req client.ReadDirRequest) ([]*fstypes.Stat, error) {
	if n.Kind() != tree.Dir {
		return nil, &fs.PathError{Op: "stat", Path: req.Path, Err: syscall.ENOTDIR}
	}
	opt := &fsutil.FilterOpt{}
	if req.IncludePattern != "" {
		opt.IncludePatterns = []string{req.IncludePattern}
	}
	filter, err := fsutil.NewFilterFS(files{n, nil}, opt)
	if err != nil {
		return nil, err
	}
	var list []*fstypes.Stat
	err = filter.Walk(ctx, "", func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		list = append(list, info.Sys().(*fstypes.Stat))
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	return list, err
}

// Files returns the files of the directory root in the form in which BuildKit transfers
// directories. The contents of the files are in the store.
func Files(root *tree.Node, store *tree.Store) fsutil.FS { return files{root, store} }

// files implements [fsutil.FS] for a directory in a tree.
type files struct {
	root  *tree.Node
	store *tree.Store // nil if the files are only listed
}

// Open implements [fsutil.FS].
func (f files) Open(name string) (io.ReadCloser, error) {
	n, err := f.root.Get(name)
	if err != nil {
		return nil, err
	}
	if n == nil || n.Kind() != tree.File || f.store == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return f.store.Open(n.Blob())
}

// Walk implements [fsutil.FS].
func (f files) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	target = strings.TrimPrefix(path.Clean("/"+target), "/") // callers list the root as / or ""
	n, err := f.root.Get(target)
	if n == nil {
		return err
	}
	return walk(ctx, target, n, map[string]string{}, fn)
}

// walk calls fn for each file below the directory dir. The parameter at is the path of
// dir. The map seen contains the first path of each inode, because BuildKit lists further
// paths of an inode as links to the first path.
func walk(ctx context.Context, at string, dir *tree.Node, seen map[string]string, fn fs.WalkDirFunc) error {
	entries, err := dir.Entries()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Join(at, e.Name)
		st := stat(name, e.Node)
		if inode := e.Node.Inode(); inode != "" && e.Node.Kind() != tree.Symlink {
			if first, ok := seen[inode]; ok {
				st.Linkname = first
			} else {
				seen[inode] = name
			}
		}
		err := fn(name, &fsutil.DirEntryInfo{Stat: st}, nil)
		if err == nil && e.Node.Kind() == tree.Dir {
			err = walk(ctx, name, e.Node, seen, fn)
		}
		if errors.Is(err, fs.SkipDir) && e.Node.Kind() == tree.Dir {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func base(name string) string { return path.Base(path.Clean("/" + name)) }

func stat(name string, n *tree.Node) *fstypes.Stat {
	m := n.Meta()
	st := &fstypes.Stat{
		Path: name, Mode: uint32(tree.FileMode(m.Mode) | n.Kind().FileMode()), Uid: m.UID, Gid: m.GID,
		ModTime: m.ModTime.UnixNano(), Size: n.Blob().Size, Linkname: n.Target(),
		Devmajor: int64(n.Device().Major), Devminor: int64(n.Device().Minor),
	}
	if n.Kind() == tree.Symlink {
		st.Size = int64(len(n.Target()))
	}
	for _, x := range m.Xattrs {
		if st.Xattrs == nil {
			st.Xattrs = map[string][]byte{}
		}
		st.Xattrs[x.Name] = []byte(x.Value)
	}
	return st
}
