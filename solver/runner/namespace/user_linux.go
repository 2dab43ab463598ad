package namespace

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/moby/sys/user"

	"slipway/solver/tree"
)

// ids are what a process runs as.
type ids struct {
	UID, GID int
	Groups   []int
	Home     string
}

// user finds the user of a process in the files of its root.
func (r *Runner) user(root *tree.Node, name string) (ids, error) {
	var files [2]io.Reader
	for i, file := range []string{"etc/passwd", "etc/group"} {
		f, err := r.openFile(root, file)
		if errors.Is(err, fs.ErrNotExist) {
			files[i] = strings.NewReader("")
			continue
		}
		if err != nil {
			return ids{}, err
		}
		defer f.Close()
		files[i] = f
	}
	u, err := user.GetExecUser(name, &user.ExecUser{Home: "/"}, files[0], files[1])
	if err != nil {
		return ids{}, fmt.Errorf("user %q: %w", name, err)
	}
	// The group of the process is one of its supplementary ones too: programs look
	// at one list or the other (CVE-2023-25173).
	groups := []int{u.Gid}
	for _, g := range u.Sgids {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return ids{UID: u.Uid, GID: u.Gid, Groups: groups, Home: u.Home}, nil
}

func (r *Runner) openFile(n *tree.Node, name string) (io.ReadCloser, error) {
	at, err := n.Resolve(name, true)
	if err != nil {
		return nil, err
	}
	f := n.Get(at)
	if f == nil || f.Kind() != tree.File {
		return nil, &fs.PathError{Op: "open", Path: "/" + name, Err: fs.ErrNotExist}
	}
	return r.store.Open(f.Blob())
}
