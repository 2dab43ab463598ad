package namespace

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// user finds the user of the process in the files of the root.
func (c *container) user() (ids, error) {
	var files [2]io.Reader
	for i, name := range []string{"etc/passwd", "etc/group"} {
		f, err := c.r.open(c.root, name)
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
	u, err := user.GetExecUser(c.p.User, &user.ExecUser{Home: "/"}, files[0], files[1])
	if err != nil {
		return ids{}, fmt.Errorf("user %q: %w", c.p.User, err)
	}
	return ids{UID: u.Uid, GID: u.Gid, Groups: u.Sgids, Home: u.Home}, nil
}

func (r *Runner) open(n *tree.Node, name string) (io.ReadCloser, error) {
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
