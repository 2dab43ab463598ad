package tree

import (
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Directories are stored in few files, and a change rewrites few of them. A directory is
// small if the listings of it and of all directories below it have at most maxSmall bytes.
//
//   - The file of a small directory contains all listings below the directory.
//   - The subdirectories of a large directory are stored in groups, with one file per group.
//     A group is either one large subdirectory, or a run of small subdirectories whose names
//     follow each other.
//
// The ID of a subdirectory decides whether a group ends after it. Groups therefore depend
// only on the files of the directory, and if a subdirectory is added, removed or changed,
// all groups that do not contain it stay the same. On average, they have maxSmall bytes.
//
// A whole tree is stored in a file that is named after its ID. It starts with the encoding
// of the root, and contains the listing of the root like a group.
const maxSmall = 64 << 10

// Group is a set of subdirectories of a large directory that a [Store] contains in one file.
type Group struct {
	ID   digest.Digest // names the file
	Dirs []*Node
}

// Groups returns the groups of the directory's subdirectories. If the directory has only
// subdirectories that are stored in the same file as itself, it returns nil. It returns the
// same errors as [Node.Entries].
func (n *Node) Groups() ([]Group, error) {
	if n.kind != Dir || n.list.isSmall() {
		return nil, nil
	}
	entries, err := n.list.load()
	return groups(entries), err
}

// groups splits the subdirectories among the entries of a large directory into groups. It
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

// endsGroup reports whether a group ends after the small listing l. The probability is
// proportional to the size of the listing. Its random number is the first part of its ID.
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

// EachStored calls the function file with the name of each file of a [Store] that contains
// a part of the tree, and the function blob for each regular file in those parts. If file
// returns false, the part is skipped together with everything below it. EachStored returns
// the same errors as [Node.Entries].
func (n *Node) EachStored(file func(digest.Digest) bool, blob func(Blob)) error {
	if !file(n.ID()) {
		return nil
	}
	return n.eachBelow(file, blob)
}

// eachBelow calls the functions for everything below the directory n, as [Node.EachStored]
// does.
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
