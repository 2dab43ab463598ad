package tree

// A socket that a step leaves is a file for the next steps: they may look for it
// and remove it. Nobody listens on it any more, so it goes no further. Layers do
// not have it, and what copies it makes an empty file, as BuildKit does.

// StubSockets returns a directory with an empty file in place of each socket.
func (s *Store) StubSockets(n *Node) (*Node, error) {
	if n == nil || !n.sockets {
		return n, nil
	}
	empty, err := s.PutBytes(nil)
	if err != nil {
		return nil, err
	}
	return n.mapSockets(func(m Meta) *Node { return NewFile(m, empty) }), nil
}

// withoutSockets returns a directory without the sockets in it.
func (n *Node) withoutSockets() *Node {
	return n.mapSockets(func(Meta) *Node { return nil })
}

// mapSockets returns a directory with what fn returns in place of each socket. If
// fn returns nil, nothing is there.
func (n *Node) mapSockets(fn func(Meta) *Node) *Node {
	if n == nil || !n.sockets {
		return n
	}
	var entries []Entry
	for _, e := range n.entries {
		if e.Node.kind == Socket {
			e.Node = fn(e.Node.meta)
		} else {
			e.Node = e.Node.mapSockets(fn)
		}
		if e.Node != nil {
			entries = append(entries, e)
		}
	}
	return newDir(n.meta, entries)
}
