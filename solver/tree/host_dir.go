package tree

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
)

// hostDir is a directory that a [hostWriter] writes. It is open while it is used.
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

// create creates the directory, unless it exists, and opens it. The caller must call
// release.
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

// use returns the open directory. It opens the directory if it is not in use. The caller
// must call release.
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

// share adds a user to the directory, which must be in use.
func (d *hostDir) share() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users++
}

// release ends a use of the directory. After the last use, it closes the directory.
func (d *hostDir) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users--; d.users == 0 {
		_ = d.root.Close() // nothing was written through it
	}
}

// openLevels limits how many directories a [hostPath] keeps open: the lowest openLevels
// directories, and above them one of openLevels directories. A tree may be deeper than the
// limit of open files.
const openLevels = 32

// hostPath contains the directories from the top directory to the current directory of a
// walk. It uses some of them, which have inPath set.
type hostPath []*hostDir

// push makes d, which is in use, the current directory. Calling pop ends the use of d.
func (p *hostPath) push(d *hostDir) {
	d.inPath = true
	*p = append(*p, d)
	if i := len(*p) - 1 - openLevels; i > 0 && i%openLevels != 0 && (*p)[i].inPath {
		(*p)[i].inPath = false
		(*p)[i].release()
	}
}

// pop makes the parent directory the current directory. Call reopen before using it.
func (p *hostPath) pop() {
	d := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	if d.inPath {
		d.release()
	}
}

// reopen opens the current directory if the path does not use it. It also opens the
// directories above, because the walk returns to them.
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
