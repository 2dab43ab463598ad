package llbsource

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"slipway/solver/tree"
)

// TestIndexEncoding checks that decodeIndex returns the index that was encoded, and that it
// rejects an encoding that is shorter, longer or in another format.
func TestIndexEncoding(t *testing.T) {
	b := tree.Blob{Digest: digest.FromString("x"), Size: 1 << 40}
	want := indexContent{
		Files: map[string]indexedFile{
			"/a":   {Size: 1, Modified: -1, Changed: 1 << 62, Inode: 1<<64 - 1, Blob: b},
			"/b\n": {},
		},
		Downloads: map[string]pastDownload{
			"GET http://host/f": {Blob: b, Header: map[string]string{"Etag": "1", "": ""}},
			"":                  {Header: map[string]string{}},
		},
	}
	data := want.encode()
	got, ok := decodeIndex(data)
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Errorf("ok: %t; -want +got:\n%s", ok, diff)
	}
	if got, ok := decodeIndex(append(data, 0)); ok {
		t.Errorf("with a byte after the encoding: %v", got)
	}
	if got, ok := decodeIndex(append([]byte("S"), data[1:]...)); ok {
		t.Errorf("with another format: %v", got)
	}
	for n := range data {
		if got, ok := decodeIndex(data[:n]); ok {
			t.Errorf("the first %d of %d bytes: %v", n, len(data), got)
		}
	}
}

// BenchmarkIndexDecode decodes the index of a context with 46,000 files.
func BenchmarkIndexDecode(b *testing.B) {
	c := newIndexContent()
	for i := range 46_000 {
		path := "/home/user/project/node_modules/" + digest.FromBytes([]byte{byte(i), byte(i >> 8)}).Encoded()
		c.Files[path] = indexedFile{int64(i), 1 << 60, 1 << 60, uint64(i), tree.Blob{Digest: digest.FromString(path), Size: int64(i)}}
	}
	data := c.encode()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := decodeIndex(data); !ok {
			b.Fatal("not decoded")
		}
	}
}

// TestRelease checks that a large index is not in memory between uses, that nothing is lost
// even if it cannot be saved, and that a small index stays in memory.
func TestRelease(t *testing.T) {
	file := filepath.Join(t.TempDir(), "index")
	add := func(x *Index, n int) {
		defer x.lock()()
		for i := range n {
			x.content.Files[strconv.Itoa(i)] = indexedFile{Size: int64(i)}
		}
		x.changed = true
	}
	length := func(x *Index) int {
		defer x.lock()()
		return len(x.content.Files)
	}
	x := OpenIndex(file, time.Now)
	add(x, maxIdle)
	if x.release(); !x.loaded {
		t.Errorf("an index of %d files was released", maxIdle)
	}
	add(x, maxIdle+1)
	x.file = filepath.Join(t.TempDir(), "missing", "index")
	if x.release(); !x.loaded || length(x) != maxIdle+1 {
		t.Errorf("an index that cannot be saved was released")
	}
	x.file = file
	if x.release(); x.loaded || x.content.Files != nil {
		t.Errorf("an index of %d files stays in memory", maxIdle+1)
	}
	if n := length(x); n != maxIdle+1 {
		t.Errorf("the index has %d files after its release, want %d", n, maxIdle+1)
	}
}
