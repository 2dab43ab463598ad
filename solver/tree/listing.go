package tree

import (
	"slices"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
)

// listing contains the entries of a directory. Directories with equal entries may share the
// same listing. Safe for concurrent use.
type listing struct {
	id      digest.Digest // covers everything
	content digest.Digest // covers everything except for times and hard links
	linked  bool          // contains hard links at any depth
	sockets bool          // contains sockets at any depth
	size    int64         // see listingSize
	group   *group        // contains the listing on disk; nil if the listing does not come from a store

	entries atomic.Pointer[[]Entry] // sorted by name; nil until they are loaded
}

// newListing returns a listing of entries, which must be valid, sorted and unique.
func newListing(entries []Entry) *listing {
	e := encodeEntries(entries)
	l := &listing{linked: hasLinks(entries), sockets: hasSockets(entries), size: listingSize(e, entries)}
	l.id, l.content = e.digests()
	l.entries.Store(&entries)
	return l
}

// emptyID is the ID of a listing without entries.
var emptyID = newListing(nil).id

// hasLinks reports whether the entries contain hard links at any depth.
func hasLinks(entries []Entry) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Node.Linked() })
}

// hasSockets reports whether the entries contain sockets at any depth.
func hasSockets(entries []Entry) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Node.hasSockets() })
}

// listingSize returns the size in bytes of a listing and all listings below it, but at most
// maxSmall+1. Without this limit the sum could overflow, because a tree may contain equal
// directories many times.
func listingSize(e encoding, entries []Entry) int64 {
	size := int64(len(e.content) + len(e.times))
	for _, entry := range entries {
		if entry.Node.kind == Dir {
			size += entry.Node.list.size
		}
		if size > maxSmall {
			return maxSmall + 1
		}
	}
	return size
}

// isSmall reports whether a directory with the listing l is small. If it is small, one file
// contains the listing and all listings below it.
func (l *listing) isSmall() bool { return l.size <= maxSmall }

// load returns the entries of the listing. If they are not loaded yet, it reads them from the
// store. If this fails, the next call tries again.
func (l *listing) load() ([]Entry, error) {
	if e := l.entries.Load(); e != nil {
		return *e, nil
	}
	if err := l.group.load(l); err != nil {
		return nil, err
	}
	return *l.entries.Load(), nil
}

// same reports whether two descriptions of listings are equal: ID, content digest, flags and
// size. If only the IDs are equal, one of the descriptions is damaged.
func (l *listing) same(o *listing) bool {
	return l.id == o.id && l.content == o.content && l.linked == o.linked && l.sockets == o.sockets && l.size == o.size
}
