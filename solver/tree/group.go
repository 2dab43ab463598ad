package tree

import (
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// A store keeps the directories of a tree in few files, and a change rewrites few of them. The
// listing of a directory is its encoded entries. A directory is small if its own listing and
// the listings of all directories below it have at most maxSmall bytes together.
//
//   - If a directory is small, one file contains its listing and all listings below it.
//   - If a directory is large, its subdirectories are divided into groups, with one file per
//     group. A group is either one large subdirectory, or several small subdirectories that
//     are adjacent when sorted by name.
//
// The ID of a small subdirectory decides whether a group ends after it. The division therefore
// depends only on the subdirectories. If a subdirectory is added, removed or changed, only the
// groups that contain it or are next to it change. The average size of a group is maxSmall bytes.
//
// The file for the root of a tree is named after the root's ID. It starts with the encoded
// root, followed by the same content as a group that consists of the root.
const maxSmall = 64 << 10

// Group is a list of subdirectories of a large directory. A [Store] keeps the listings of these
// subdirectories in one file.
type Group struct {
	ID   digest.Digest // names the file
	Dirs []*Node
}

// Groups divides the subdirectories of a directory into groups, as a [Store] does. For a small
// directory, whose subdirectories are stored in the same file as itself, it returns nil. It
// returns the same errors as [Node.Entries].
func (n *Node) Groups() ([]Group, error) {
	if n.kind != Dir || n.list.isSmall() {
		return nil, nil
	}
	entries, err := n.list.load()
	return groups(entries), err
}

// groups divides the subdirectories among the entries of a large directory into groups. It
// leaves out empty directories, because their listings are not stored.
func groups(entries []Entry) []Group {
	var list []Group
	open := false // whether the last group of list may get more directories
	for _, e := range entries {
		switch {
		case e.Node.kind != Dir || e.Node.IsEmpty():
			continue
		case !e.Node.list.isSmall():
			list, open = append(list, Group{Dirs: []*Node{e.Node}}), false
			continue
		case !open:
			list = append(list, Group{})
		}
		last := &list[len(list)-1]
		last.Dirs = append(last.Dirs, e.Node)
		open = !e.Node.list.endsGroup()
	}
	for i := range list {
		var ids strings.Builder
		for _, n := range list[i].Dirs {
			ids.WriteString(string(n.list.id))
		}
		list[i].ID = digest.FromString(ids.String())
	}
	return list
}

// endsGroup reports whether a group ends after the subdirectory with the small listing l. The
// first digits of the listing's ID serve as a random number. The probability is proportional
// to the size of the listing.
func (l *listing) endsGroup() bool {
	const digits = 8
	n, err := strconv.ParseUint(l.id.Encoded()[:digits], 16, 32)
	return err == nil && n*maxSmall < uint64(l.size)<<32
}

// listings returns the listings of the directories in the group.
func (g Group) listings() []*listing {
	list := make([]*listing, len(g.Dirs))
	for i, n := range g.Dirs {
		list[i] = n.list
	}
	return list
}

// EachStored visits the files in which a [Store] keeps the directories of the tree n. It passes
// the name of each of them to the callback file, and each regular file of the tree to the
// callback blob. If the callback file returns false, EachStored skips the directories that the
// visited file contains, and everything below them. It returns the same errors as [Node.Entries].
func (n *Node) EachStored(file func(digest.Digest) bool, blob func(Blob)) error {
	if !file(n.ID()) {
		return nil
	}
	return n.eachBelow(file, blob)
}

// eachBelow does the work of [Node.EachStored] for everything below the directory n.
func (n *Node) eachBelow(file func(digest.Digest) bool, blob func(Blob)) error {
	entries, err := n.Entries()
	if err != nil {
		return err
	}
	small := n.list.isSmall()
	for _, e := range entries {
		switch {
		case e.Node.kind == File:
			blob(e.Node.blob)
		case e.Node.kind == Dir && small:
			if err := e.Node.eachBelow(file, blob); err != nil {
				return err
			}
		}
	}
	if small {
		return nil
	}
	for _, g := range groups(entries) {
		if !file(g.ID) {
			continue
		}
		for _, dir := range g.Dirs {
			if err := dir.eachBelow(file, blob); err != nil {
				return err
			}
		}
	}
	return nil
}
