package namespace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"

	"slipway/solver/tree"
)

// ids are the IDs and the home directory of a process.
type ids struct {
	UID, GID int
	Groups   []int
	Home     string
}

// user returns the user of a process. It reads the user databases of the root if
// necessary.
func (r *Runner) user(root *tree.Node, name string) (ids, error) {
	passwd, err := r.readFile(root, "etc/passwd")
	if err != nil {
		return ids{}, err
	}
	id, ok := fixedIDs(name)
	if !ok {
		group, err := r.readFile(root, "etc/group")
		if err != nil {
			return ids{}, err
		}
		if id, err = lookUp(name, passwd, group); err != nil {
			return ids{}, fmt.Errorf("user %q: %w", name, err)
		}
	}
	id.Home, err = home(id.UID, passwd)
	return id, err
}

// fixedIDs returns the user and group if both are numbers or root. They need not exist
// in a database, and have no supplementary groups.
func fixedIDs(name string) (ids, bool) {
	first, second, _ := strings.Cut(name, ":")
	uid, ok := fixedID(first)
	gid, both := fixedID(second)
	return ids{UID: uid, GID: gid, Groups: []int{gid}}, ok && both
}

func fixedID(s string) (id int, ok bool) {
	if s == "root" {
		return 0, true
	}
	n, err := strconv.ParseUint(s, 10, 31) // runc accepts no larger ones
	return int(n), err == nil
}

// lookUp finds a user in user databases.
func lookUp(name string, passwd, group []byte) (ids, error) {
	u, err := user.GetExecUser(name, nil, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return ids{}, err
	}
	// The primary group is also a supplementary group, because programs check either
	// one (CVE-2023-25173).
	groups := []int{u.Gid}
	for _, g := range u.Sgids {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return ids{UID: u.Uid, GID: u.Gid, Groups: groups}, nil
}

// home returns the home directory of the first user with this ID. As in runc, the name
// of the user is ignored.
func home(uid int, passwd []byte) (string, error) {
	users, err := user.ParsePasswdFilter(bytes.NewReader(passwd), func(u user.User) bool { return u.Uid == uid })
	if err != nil {
		return "", err
	}
	if len(users) == 0 {
		return "/", nil
	}
	return users[0].Home, nil
}

// readFile returns the content of a user database, or nil if the file does not exist.
func (r *Runner) readFile(n *tree.Node, name string) ([]byte, error) {
	at, err := n.Resolve(name, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := n.Get(at)
	if f == nil || f.Kind() != tree.File {
		return nil, nil
	}
	in, err := r.store.Open(f.Blob())
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxDatabase+1))
	if err == nil && len(data) > maxDatabase {
		err = fmt.Errorf("/%s is larger than %d MiB", name, maxDatabase>>20)
	}
	return data, err
}

// maxDatabase is BuildKit's size limit for user databases, in bytes.
const maxDatabase = 10 << 20
