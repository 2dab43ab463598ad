package tree

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// hostDir is a directory that a [hostWriter] creates. It is open only while it has users, such
// as goroutines that write files into it.
type hostDir struct {
	parent     *hostDir // nil for the top directory
	name, path string   // name in parent, path in the tree
	node       *Node
	last       int          // index of the last entry below the directory
	pending    atomic.Int64 // number of incomplete entries, plus one until all are known

	jobs sync.WaitGroup

	mu    sync.Mutex
	root  *os.Root // nil if users is 0
	users int

	inPath bool // see hostPath
}

// create creates the directory, unless it exists, and opens it. The caller counts as a user of
// the directory until it calls release.
func (d *hostDir) create() (*os.Root, error) {
	if d.parent == nil {
		return d.use()
	}
	parent, err := d.parent.use()
	if err != nil {
		return nil, err
	}
	defer d.parent.release()
	if err := parent.Mkdir(d.name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return d.use()
}

// use returns the open directory and counts the caller as a user. It opens the directory if it
// has no other user. The caller must call release.
func (d *hostDir) use() (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == 0 {
		parent, err := d.parent.use()
		if err != nil {
			return nil, err
		}
		d.root, err = parent.OpenRoot(d.name)
		d.parent.release()
		if err != nil {
			return nil, err
		}
	}
	d.users++
	return d.root, nil
}

// share increments the number of users of the directory, which must not be 0.
func (d *hostDir) share() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users++
}

// release removes a user of the directory. It closes the directory after the last user.
func (d *hostDir) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users--; d.users == 0 {
		_ = d.root.Close() // nothing was written through it
	}
}

// openLevels determines which directories a [hostPath] keeps open: the deepest openLevels
// directories and, of the directories above them, every openLevels-th one. It cannot keep all
// of them open, because a tree may be deeper than the limit of open files.
const openLevels = 32

// hostPath contains the directories from the top directory to the current directory of a walk.
// It keeps only some of them open, and sets the field inPath of these directories.
type hostPath []*hostDir

// push makes d the current directory. The caller must have opened d by calling create or use,
// and must not call release, because pop does so.
func (p *hostPath) push(d *hostDir) {
	d.inPath = true
	*p = append(*p, d)
	if i := len(*p) - 1 - openLevels; i > 0 && i%openLevels != 0 && (*p)[i].inPath {
		(*p)[i].inPath = false
		(*p)[i].release()
	}
}

// pop makes the parent of the current directory the new current directory. The parent may be
// closed, so the caller must call reopen before it uses the parent.
func (p *hostPath) pop() {
	d := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	if d.inPath {
		d.release()
	}
}

// reopen opens the current directory if the hostPath has closed it. It also opens directories
// above the current one, because the walk will return to them.
func (p hostPath) reopen() error {
	i := len(p) - 1
	for !p[i].inPath {
		i--
	}
	for _, d := range p[i+1:] {
		if _, err := d.use(); err != nil {
			return err
		}
		d.inPath = true
	}
	return nil
}
