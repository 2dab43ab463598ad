package tree

import (
	"bytes"
	"testing"
)

// TestCodec checks that decompress restores small data, which is stored, and large data, which
// is compressed, and that it rejects data with another first byte.
func TestCodec(t *testing.T) {
	var c codec
	for _, size := range []int{0, 1, minCompressed - 1, minCompressed, 1 << 20} {
		want := bytes.Repeat([]byte("a"), size)
		data, err := c.compress(want)
		if err != nil {
			t.Fatal(err)
		}
		if small := size < minCompressed; small != (len(data) == size+1) {
			t.Errorf("%d bytes are encoded as %d bytes, want stored %t", size, len(data), small)
		}
		got, err := c.decompress(data)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d bytes, error %v", size, len(got), err)
		}
	}
	for _, bad := range [][]byte{{1}, {1, 2, 3}, []byte("(\xb5/")} {
		if got, err := c.decompress(bad); err == nil {
			t.Errorf("decompress(%q) = %q, want an error", bad, got)
		}
	}
}
