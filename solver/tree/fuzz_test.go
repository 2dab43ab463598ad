package tree

import (
	"bytes"
	"testing"

	"github.com/opencontainers/go-digest"
)

// FuzzReadLayer: whatever the bytes, a layer is an error or a tree that can be
// written and read again.
func FuzzReadLayer(f *testing.F) {
	f.Add(archive(f, "a/b x", "a/.wh..wh..opq ", "c = a/b", "d -> ../..", "d/e y", ".wh.c ").Bytes())
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := testStore(t)
		n, err := ReadLayer(nil, bytes.NewReader(data), s, ReadOptions{Limits: Limits{Bytes: 1 << 20, Files: 1000}})
		if err != nil {
			return
		}
		var buf bytes.Buffer
		if err := WriteLayer(&buf, nil, n, s, LayerOptions{}); err != nil {
			return // some values have no place in an archive
		}
		if _, err := ReadLayer(nil, &buf, s, ReadOptions{}); err != nil {
			t.Errorf("the layer that was written cannot be read: %v", err)
		}
	})
}

// FuzzDecode: an encoding is an error or that of the tree that it makes.
func FuzzDecode(f *testing.F) {
	blob := Blob{Digest: digest.FromString("x"), Size: 1}
	n, err := NewDir(Meta{Mode: 0o755, Xattrs: []Xattr{{"a", "b"}}}, []Entry{
		{"f", NewFile(Meta{Mode: 0o644}, blob).WithInode("i")},
		{"l", NewSymlink(Meta{}, "t")},
		{"p", NewDevice(Fifo, Meta{}, Device{1, 2})},
		{"d", Empty()},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(n.encode(true))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decode(data, func(digest.Digest) (*Node, error) { return Empty(), nil })
		if err == nil && !bytes.Equal(n.encode(true), data) {
			t.Errorf("decoded to another tree:\n%s", list(n))
		}
	})
}
