package launch

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

// IDs contains the user and group IDs and the home directory of a process.
type IDs struct {
	UID, GID int
	Groups   []int // supplementary groups, including GID
	Home     string
}

// LookUp returns the IDs for the user of a process, given as in [runner.Process].User. The
// parameter root is the root file system, whose file contents are in the store s. If
// necessary, LookUp reads /etc/passwd and /etc/group in the root.
func LookUp(s *tree.Store, root *tree.Node, name string) (IDs, error) {
	passwd, err := readDatabase(s, root, "etc/passwd")
	if err != nil {
		return IDs{}, err
	}
	id, ok := parseIDs(name)
	if !ok {
		group, err := readDatabase(s, root, "etc/group")
		if err != nil {
			return IDs{}, err
		}
		if id, err = lookUpUser(name, passwd, group); err != nil {
			return IDs{}, fmt.Errorf("user %q: %w", name, err)
		}
	}
	id.Home, err = home(id.UID, passwd)
	return id, err
}

// parseIDs parses a user of the form UID:GID. Both IDs are decimal numbers or root,
// which is 0. For any other text, it returns false. The IDs need not exist in a user
// database, and a process with these IDs has no supplementary groups.
func parseIDs(name string) (IDs, bool) {
	first, second, _ := strings.Cut(name, ":")
	uid, ok := parseID(first)
	gid, both := parseID(second)
	return IDs{UID: uid, GID: gid, Groups: []int{gid}}, ok && both
}

// parseID parses a decimal user or group ID, or root, which is 0. If s is neither, ok
// is false.
func parseID(s string) (id int, ok bool) {
	if s == "root" {
		return 0, true
	}
	n, err := strconv.ParseUint(s, 10, 31) // runc does not accept larger numbers
	return int(n), err == nil
}

// lookUpUser returns the IDs of a user in the form USER[:GROUP], where both are names
// or numbers. passwd and group are the contents of /etc/passwd and /etc/group.
func lookUpUser(name string, passwd, group []byte) (IDs, error) {
	u, err := user.GetExecUser(name, nil, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return IDs{}, err
	}
	// The primary group is also a supplementary group, because programs check either
	// one (CVE-2023-25173).
	groups := []int{u.Gid}
	for _, g := range u.Sgids {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return IDs{UID: u.Uid, GID: u.Gid, Groups: groups}, nil
}

// home returns the home directory of the first user with the ID uid in passwd, the
// content of /etc/passwd. If no such user exists, it returns /. Like runc, it ignores
// the name of the user, even if several users have this ID.
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

// readDatabase returns the content of a user database in a tree. If the file does not exist
// or is not a regular file, it returns nil.
func readDatabase(s *tree.Store, n *tree.Node, name string) ([]byte, error) {
	at, err := n.Resolve(name, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := n.Get(at)
	if f == nil || f.Kind() != tree.File {
		return nil, err
	}
	in, err := s.Open(f.Blob())
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

// maxDatabase is the maximum size of a user database in bytes. BuildKit has the same
// limit.
const maxDatabase = 10 << 20
