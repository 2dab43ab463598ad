package tree

import (
	"bytes"
	"os"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// Save stores a directory and all directories below it, but not the contents of files. It does
// not write files that the store already has.
func (s *Store) Save(n *Node) error {
	head := appendString(nil, string(n.encode()))
	return s.save(n.ID(), head, []*listing{n.list})
}

// save writes the file with the given ID, which consists of head and the given listings. If
// listings are large, save first writes the files for the groups of their subdirectories, so
// that the store never contains a file without the files that it refers to.
func (s *Store) save(id digest.Digest, head []byte, members []*listing) error {
	name := s.path("dirs", id)
	if s.hasGroup(id, members) {
		return nil
	}
	for _, l := range members {
		if l.isSmall() {
			continue
		}
		entries, err := l.load()
		if err != nil {
			return err
		}
		for _, g := range groups(entries) {
			if err := s.save(g.ID, nil, g.listings()); err != nil {
				return err
			}
		}
	}
	w := groupWriter{buf: head, seen: map[digest.Digest]bool{}}
	for _, l := range members {
		if err := w.add(l); err != nil {
			return err
		}
	}
	data, err := s.codec.compress(w.buf)
	if err != nil {
		return err
	}
	if old, err := regularfile.Read(name); err != nil || !bytes.Equal(old, data) {
		if err := s.write(name, data); err != nil {
			return err
		}
	}
	s.saved.Store(id, nil)
	return nil
}

// hasGroup reports whether the store already has the file with the given ID and listings, and
// the files that it refers to. It does not read the file: this process must have saved it, or
// the listings must come from this store.
func (s *Store) hasGroup(id digest.Digest, members []*listing) bool {
	info, err := os.Lstat(s.path("dirs", id))
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if _, ok := s.saved.Load(id); ok {
		return true
	}
	for _, l := range members {
		if l.id != emptyID && (l.group == nil || l.group.loader.store != s) {
			return false
		}
	}
	return true
}

// groupWriter encodes listings into the uncompressed content of a file.
type groupWriter struct {
	buf  []byte
	seen map[digest.Digest]bool // IDs of the listings in buf
}

// add appends the listing l to the buffer. If l is small, add also appends all listings below
// it. It skips listings that are empty or already in the buffer.
func (w *groupWriter) add(l *listing) error {
	if l.size == 0 || w.seen[l.id] {
		return nil
	}
	w.seen[l.id] = true
	entries, err := l.load()
	if err != nil {
		return err
	}
	e := encodeEntries(entries)
	w.buf = appendString(appendString(w.buf, string(e.content)), string(e.times))
	if !l.isSmall() {
		return nil
	}
	for _, entry := range entries {
		if entry.Node.kind != Dir {
			continue
		}
		if err := w.add(entry.Node.list); err != nil {
			return err
		}
	}
	return nil
}
