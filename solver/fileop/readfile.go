package fileop

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"slipway/solver/tree"
)

// maxFile is the maximum size of a file that is read into memory, such as /etc/passwd, in
// bytes.
const maxFile = 100 << 20

// ReadFile returns the content of a file in the tree n. The parameter name is the path
// of the file, in which symbolic links are followed. If the file is larger than 100
// MiB, ReadFile returns an error.
func ReadFile(ctx context.Context, s *tree.Store, n *tree.Node, name string) ([]byte, error) {
	p, err := n.Resolve(name, true)
	if err != nil {
		return nil, err
	}
	f, err := n.Get(p)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: "/" + strings.TrimPrefix(name, "/"), Err: syscall.ENOENT}
	}
	if f.Kind() != tree.File {
		return nil, &fs.PathError{Op: "read", Path: "/" + p, Err: fmt.Errorf("is a %s", f.Kind())}
	}
	if f.Blob().Size > maxFile {
		return nil, fmt.Errorf("/%s is larger than %d MiB", p, maxFile>>20)
	}
	r, err := s.OpenContext(ctx, f.Blob())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
