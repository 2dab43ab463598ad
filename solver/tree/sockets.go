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
	return n.stubSockets(empty), nil
}

func (n *Node) stubSockets(empty Blob) *Node {
	switch {
	case n.kind == Socket:
		return NewFile(n.meta, empty)
	case !n.sockets:
		return n
	}
	return n.MapEntries(n.meta, func(e *Node) *Node { return e.stubSockets(empty) })
}
