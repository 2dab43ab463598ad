package tree

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"

	"slipway/internal/regularfile"
)

// Load returns the directory with the given ID, which [Store.Save] has stored. If its file is
// damaged, Load removes the file and returns an error.
func (s *Store) Load(id digest.Digest) (*Node, error) { return s.Loader().Load(id) }

// Loader loads directories from a store. It loads each directory once, so that trees share
// the nodes of equal subdirectories. Safe for concurrent use.
type Loader struct {
	store    *Store
	nodes    sync.Map // directories by ID
	refs     sync.Map // references by ID; see [Loader.Ref]
	listings sync.Map // listings by ID
}

// Loader returns a new loader for the directories in the store.
func (s *Store) Loader() *Loader { return &Loader{store: s} }

// Load returns the directory with the given ID, as [Store.Load] does. It reads only one file.
// Directories in other files are loaded when their entries are first needed, which may return
// further errors.
func (l *Loader) Load(id digest.Digest) (*Node, error) {
	if n, ok := l.nodes.Load(id); ok {
		return n.(*Node), nil
	}
	var n *Node
	err := l.read(id, func(d *decoder) error {
		var err error
		if n, err = decodeNode(d.raw()); err != nil {
			return err
		}
		if found := n.ID(); found != id {
			return fmt.Errorf("content has the digest %s", found)
		}
		g := &group{id: id, loader: l, isRoot: true}
		if n.list, err = l.listing(n.list, g); err != nil {
			return err
		}
		g.members = []*listing{n.list}
		return l.fill(d, g.members)
	})
	if err != nil {
		return nil, err
	}
	l.nodes.Store(id, n)
	return n, nil
}

// group consists of the listings that a store keeps in one file. They are loaded together.
// Safe for concurrent use.
type group struct {
	id      digest.Digest // names the file
	isRoot  bool          // whether the file starts with the root of a tree
	loader  *Loader
	members []*listing
	mu      sync.Mutex // held while the file is read
}

// load loads all listings of the group. It does nothing if the listing l, which is one of
// them, is already loaded.
func (g *group) load(l *listing) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if l.entries.Load() != nil {
		return nil
	}
	return g.loader.read(g.id, func(d *decoder) error {
		if g.isRoot {
			d.raw()
		}
		return g.loader.fill(d, g.members)
	})
}

// read decompresses the file with the given ID and calls fn with a decoder for its content. If
// the file does not exist or is not regular, or if fn returns an error, read removes the file
// and returns a [BlobError].
func (l *Loader) read(id digest.Digest, fn func(*decoder) error) error {
	if err := id.Validate(); err != nil {
		return &BlobError{id, err}
	}
	name := l.store.path("dirs", id)
	data, err := regularfile.Read(name)
	if err == nil {
		if data, err = l.store.codec.decompress(data); err == nil {
			err = fn(&decoder{buf: data})
		}
		if err == nil {
			return nil
		}
		err = errors.Join(err, os.RemoveAll(name))
	}
	l.store.saved.Clear() // trees are not complete without this file
	return &BlobError{id, err}
}

// fill reads the content of a file from d, and sets the entries of the given listings.
func (l *Loader) fill(d *decoder, members []*listing) error {
	parts := map[digest.Digest]part{}
	for d.err == nil && len(d.buf) > 0 {
		e := encoding{d.raw(), d.raw()}
		id, content := e.digests()
		parts[id] = part{e, content}
	}
	if d.err != nil {
		return d.err
	}
	for _, m := range members {
		if err := l.decode(m, parts); err != nil {
			return err
		}
	}
	return nil
}

// part is an encoded listing from a file, with the digest of its content part.
type part struct {
	encoding
	content digest.Digest
}

// decode decodes one of the listings in a file and sets its entries. The parameter want is the
// listing to decode, and parts contains all encoded listings in the file by ID. For a small
// directory, decode also decodes the listings of all directories below it. It returns an error
// if a listing is missing or damaged.
func (l *Loader) decode(want *listing, parts map[digest.Digest]part) error {
	if want.entries.Load() != nil {
		return nil
	}
	p, ok := parts[want.id]
	if !ok {
		return fmt.Errorf("the listing %s is missing", want.id)
	}
	entries, err := decodeEntries(p.encoding)
	if err != nil {
		return err
	}
	found := listing{id: want.id, content: p.content, linked: hasLinks(entries), sockets: hasSockets(entries), size: listingSize(p.encoding, entries)}
	if !want.same(&found) {
		return fmt.Errorf("the listing %s differs from its description", want.id)
	}
	if want.isSmall() {
		err = l.decodeBelow(entries, want.group, parts)
	} else {
		err = l.group(entries)
	}
	if err != nil {
		return err
	}
	want.entries.Store(&entries)
	return nil
}

// decodeBelow decodes the listings of all subdirectories of a small directory. The parameter
// entries contains the entries of the directory, g is the group that contains the directory,
// and parts contains all encoded listings in the file by ID.
func (l *Loader) decodeBelow(entries []Entry, g *group, parts map[digest.Digest]part) error {
	for _, e := range entries {
		if e.Node.kind != Dir {
			continue
		}
		list, err := l.listing(e.Node.list, g)
		if err != nil {
			return err
		}
		if err := l.decode(list, parts); err != nil {
			return err
		}
		e.Node.list = list
	}
	return nil
}

// group divides the subdirectories of a large directory into groups. Each group is loaded when
// one of its subdirectories is first needed. The parameter entries contains the entries of the
// large directory.
func (l *Loader) group(entries []Entry) error {
	for _, e := range entries {
		if e.Node.kind == Dir && e.Node.IsEmpty() {
			var err error
			if e.Node.list, err = l.listing(e.Node.list, nil); err != nil {
				return err
			}
		}
	}
	for _, of := range groups(entries) {
		g := &group{id: of.ID, loader: l}
		for _, n := range of.Dirs {
			list, err := l.listing(n.list, g)
			if err != nil {
				return err
			}
			n.list = list
			g.members = append(g.members, list)
		}
	}
	return nil
}

// listing returns the one listing that this loader uses for all directories with the same
// entries. The parameter found is the listing as decoded from a file. A listing that the
// loader has not seen before becomes a member of the group g.
func (l *Loader) listing(found *listing, g *group) (*listing, error) {
	found.group = g
	if found.size == 0 {
		if empty := newListing(nil); found.same(empty) {
			return empty, nil
		}
		return nil, errEncoding
	}
	known, _ := l.listings.LoadOrStore(found.id, found)
	if list := known.(*listing); list.same(found) {
		return list, nil
	}
	return nil, fmt.Errorf("the listing %s has two descriptions", found.id)
}
