package tree

// A socket that a step creates stays visible to later steps, which may delete it. After
// the step, no process listens on it. Layers therefore leave sockets out, and copying one
// creates an empty file, as in BuildKit.

// StubSockets returns a copy of the tree n in which an empty file replaces each socket. If n
// is nil, it returns nil.
func (s *Store) StubSockets(n *Node) (*Node, error) {
	if n == nil || !n.hasSockets() {
		return n, nil
	}
	empty, err := s.PutBytes(nil)
	if err != nil {
		return nil, err
	}
	return n.stubSockets(empty)
}

// stubSockets returns a copy of the tree n in which a regular file replaces each socket. The
// content of these files is the blob empty, which has no bytes.
func (n *Node) stubSockets(empty Blob) (*Node, error) {
	switch {
	case n.kind == Socket:
		return NewFile(n.meta, empty), nil
	case !n.hasSockets():
		return n, nil
	}
	return n.MapEntries(n.meta, func(e *Node) (*Node, error) { return e.stubSockets(empty) })
}
