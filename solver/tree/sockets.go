package tree

// A socket created by a step is visible to the following steps, which may look for it
// and remove it. No process listens on it any more, so it is not exported: layers leave
// it out, and copying it creates an empty file, like in BuildKit.

// StubSockets returns a directory in which an empty file replaces each socket.
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
