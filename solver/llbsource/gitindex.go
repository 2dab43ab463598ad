package llbsource

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"slipway/solver/tree"
)

// gitIndex writes the entries of a git index, which are the files of a commit, and marks the
// objects that the commit consists of. go-git's encoder needs all entries in memory, and does
// not write the tree extension.
//
// See https://git-scm.com/docs/index-format.
type gitIndex struct {
	ctx     context.Context
	r       *gitReader
	repo    *gitRepository
	used    *packSelection
	entries *bufio.Writer
	n       uint32
}

// addIndex adds the index of the repository c. It returns the objects of the commit.
func (d *gitDir) addIndex(ctx context.Context, c *gitClone, repo *gitRepository, commit *object.Commit) (*packSelection, error) {
	used, err := repo.selectObjects()
	if err != nil {
		return nil, err
	}
	if err := repo.selectCommit(used, c.object, commit.Hash); err != nil {
		return nil, err
	}
	x := &gitIndex{ctx: ctx, r: d.r, repo: repo, used: used}
	b, err := d.r.spool(func(entries *os.File) (io.Reader, error) { return x.write(entries, commit.TreeHash) })
	if err != nil {
		return nil, err
	}
	return used, d.putBlob(path.Join(c.dir, "index"), 0o644, b)
}

// spool stores a blob of any size. The function fill may use a temporary file, and returns the
// content of the blob.
func (r *gitReader) spool(fill func(*os.File) (io.Reader, error)) (_ tree.Blob, err error) {
	f, err := os.CreateTemp(r.s.Temp, "git-")
	if err != nil {
		return tree.Blob{}, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	content, err := fill(f)
	if err != nil {
		return tree.Blob{}, err
	}
	b, err := r.s.Store.Put(content)
	if err == nil {
		err = r.left.spend(gitBudget{files: 1, bytes: b.Size})
	}
	return b, err
}

// write returns the index of the tree with the given hash. It uses a temporary file.
func (x *gitIndex) write(temp *os.File, root plumbing.Hash) (io.Reader, error) {
	x.entries = bufio.NewWriter(temp)
	top, err := x.tree(root, "", "")
	if err != nil {
		return nil, err
	}
	if err := x.entries.Flush(); err != nil {
		return nil, err
	}
	if _, err := temp.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32([]byte("DIRC\x00\x00\x00\x02"), x.n)
	extension := binary.BigEndian.AppendUint32([]byte("TREE"), uint32(len(top.extension)))
	return withSum(io.MultiReader(bytes.NewReader(head), temp, bytes.NewReader(extension), bytes.NewReader(top.extension))), nil
}

// cachedTree is the part of the index's tree extension for a directory.
type cachedTree struct {
	name      string
	n         int // index entries below the directory
	extension []byte
}

// tree writes the entries of the directory with the given hash, whose path is at. The order is
// the one of git trees, in which a directory is sorted as if its name ended with a slash.
func (x *gitIndex) tree(hash plumbing.Hash, name, at string) (*cachedTree, error) {
	if err := x.used.add(hash); err != nil {
		return nil, err
	}
	t, err := object.GetTree(x.repo, hash)
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", at, err)
	}
	before := x.n
	var below []*cachedTree
	for _, e := range t.Entries {
		at := path.Join(at, e.Name)
		if e.Mode == filemode.Dir {
			sub, err := x.tree(e.Hash, e.Name, at)
			if err != nil {
				return nil, err
			}
			below = append(below, sub)
		} else if err := x.entry(e, at); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(below, func(a, b *cachedTree) int {
		return cmp.Or(cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	c := &cachedTree{name: name, n: int(x.n - before)}
	c.extension = append(fmt.Appendf(nil, "%s\x00%d %d\n", name, c.n, len(below)), hash[:]...)
	for _, sub := range below {
		c.extension = append(c.extension, sub.extension...)
	}
	return c, x.r.left.spend(gitBudget{names: int64(len(c.extension))})
}

// entry writes an entry without times, size, and other properties of a file on disk, as after
// git read-tree.
func (x *gitIndex) entry(e object.TreeEntry, at string) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	if err := x.r.left.spend(gitBudget{names: int64(len(at))}); err != nil {
		return err
	}
	mode := uint32(e.Mode)
	switch e.Mode {
	case filemode.Submodule:
	case filemode.Deprecated:
		mode = uint32(filemode.Regular)
		fallthrough
	default:
		if err := x.used.add(e.Hash); err != nil {
			return err
		}
	}
	const modeAt, hashAt, maxName, alignment = 24, 40, 0xfff, 8
	var b [hashAt]byte
	binary.BigEndian.PutUint32(b[modeAt:], mode)
	line := append(b[:], e.Hash[:]...)
	line = binary.BigEndian.AppendUint16(line, uint16(min(len(at), maxName)))
	line = append(line, at...)
	line = append(line, make([]byte, alignment-len(line)%alignment)...)
	x.n++
	_, err := x.entries.Write(line)
	return err
}
