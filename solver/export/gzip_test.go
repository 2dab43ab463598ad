package export

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"slipway/internal/slowtest"
)

// text returns n bytes of text. Some parts of the text are random and cannot be compressed.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 0, n+600)
	for len(b) < n {
		if r.IntN(8) == 0 {
			for range 512 {
				b = append(b, byte(r.Uint32()))
			}
		}
		for range 100 {
			b = fmt.Appendf(b, "%x ", uint32(r.IntN(1+r.IntN(2000)))*0x9e3779b1)
		}
	}
	return b[:n]
}

// compressed returns content in compressed form. It passes the content to the compressor in
// writes of the given size.
func compressed(t *testing.T, x *Layers, content []byte, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := x.writer(&b)
	if err != nil {
		t.Fatal(err)
	}
	for rest := content; len(rest) > 0; rest = rest[min(size, len(rest)):] {
		if n, err := w.Write(rest[:min(size, len(rest))]); err != nil || n != min(size, len(rest)) {
			t.Fatalf("write of %d bytes: %d, %v", min(size, len(rest)), n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestCompressedBytes checks that compressed layers have the recorded digests. If a change,
// such as the upgrade of a module, makes this test fail, increment the constant encoding as
// well.
func TestCompressedBytes(t *testing.T) {
	content := text(gzipBlock + 10_000)
	for c, want := range map[Compression]string{
		{}:                        "17f185639e21cc6f",
		{Type: "gzip", Level: 1}:  "042ce2c015f8f95b",
		{Type: "gzip", Level: 2}:  "3950c546530895d7",
		{Type: "gzip", Level: 9}:  "935a3bb89aae3c52",
		{Type: "zstd"}:            "bfd08f2e5993edc0",
		{Type: "zstd", Level: 1}:  "25c5ec029e84338c",
		{Type: "zstd", Level: 22}: "0e22735fa3779e1c",
		{Type: "uncompressed"}:    "b2cf4bf9b232dbe9",
	} {
		got := digest.FromBytes(compressed(t, &Layers{Compression: c}, content, 32<<10)).Encoded()[:16]
		if got != want {
			t.Errorf("%v: digest %s, want %s", c, got, want)
		}
	}
}

// TestCompressionIsDeterministic checks that the bytes of compressed layers do not depend on
// the number of CPUs, on the sizes of writes, or on layers that are compressed before or
// concurrently.
func TestCompressionIsDeterministic(t *testing.T) {
	slowtest.Skip(t, "compresses megabytes many times")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	content := text(2*gzipBlock + 100)
	for _, c := range []Compression{{}, {Level: 1}, {Type: "zstd"}} {
		var want []byte
		for _, processors := range []int{1, 2, 7} {
			runtime.GOMAXPROCS(processors)
			x := &Layers{Compression: c}
			var got [3][]byte
			var others sync.WaitGroup
			for i, size := range []int{len(content), 512, gzipBlock - 1} {
				others.Go(func() { got[i] = compressed(t, x, content, size) })
			}
			others.Wait()
			for i, b := range got {
				if want == nil {
					want = b
				}
				if !bytes.Equal(b, want) {
					t.Errorf("%v: writer %d on %d processors gives other bytes", c, i, processors)
				}
			}
		}
	}
}

// TestRoundTrip checks that Go's compress/gzip can read the files that gzipWriter writes.
func TestRoundTrip(t *testing.T) {
	content := text(2*gzipBlock + 5)
	for _, level := range []int{Stored, 1, 9} {
		testRoundTrip(t, &Layers{Compression: Compression{Level: level}}, content)
	}
}

// testRoundTrip checks that Go's compress/gzip can read the files that x writes for several
// prefixes of content.
func testRoundTrip(t *testing.T, x *Layers, content []byte) {
	t.Helper()
	for _, n := range []int{0, 1, gzipWindow, gzipBlock - 1, gzipBlock, gzipBlock + 1, 2 * gzipBlock, len(content)} {
		in := bytes.NewReader(compressed(t, x, content[:n], 100_000))
		r, err := stdgzip.NewReader(in)
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		r.Multistream(false)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[:n]) {
			t.Errorf("read %d bytes, %v, want %d bytes", len(got), err, n)
		}
		if in.Len() > 0 {
			t.Errorf("%d bytes: %d bytes follow the first member", n, in.Len())
		}
	}
}

// TestParseLevel checks which level each value of the user's option selects. For gzip, level 0
// stores content without compression, as in BuildKit.
func TestParseLevel(t *testing.T) {
	for _, tc := range []struct {
		kind  string
		level int
		want  string
	}{
		{"", 0, "-1"},
		{"gzip", 0, "-1"},
		{"gzip", 9, "9"},
		{"zstd", 0, "1"},
		{"zstd", 22, "22"},
		{"uncompressed", 0, "0"},
		{"gzip", -1, "compression level -1 is not in the range from 0 to 9"},
		{"gzip", 10, "compression level 10 is not in the range from 0 to 9"},
		{"uncompressed", 1, "compression level 1 is not in the range from 0 to 0"},
		{"lz4", 1, `unknown compression "lz4" (use gzip, zstd or uncompressed)`},
	} {
		c := Compression{Type: tc.kind}
		got := ""
		if err := c.ParseLevel(tc.level); err != nil {
			got = err.Error()
		} else {
			got = strconv.Itoa(c.Level)
		}
		if got != tc.want {
			t.Errorf("%s level %d: %s, want %s", tc.kind, tc.level, got, tc.want)
		}
	}
	content := text(gzipBlock + 1)
	if data := compressed(t, &Layers{Compression: Compression{Level: Stored}}, content, gzipBlock); len(data) <= len(content) {
		t.Errorf("%d bytes at level 0 for %d, want more", len(data), len(content))
	}
}

// TestGzipSize checks that layers are at most 1 % larger than the layers that Go's
// compress/gzip writes at the same level. If no level is specified, the level must be 6.
func TestGzipSize(t *testing.T) {
	content := text(gzipBlock + 100_000)
	for level := 1; level <= 9; level++ {
		var std bytes.Buffer
		w, err := stdgzip.NewWriterLevel(&std, level)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		data := compressed(t, &Layers{Compression: Compression{Level: level}}, content, gzipBlock)
		if limit := std.Len() * 101 / 100; len(data) > limit {
			t.Errorf("level %d: %d bytes, want at most %d", level, len(data), limit)
		}
		if level != 6 {
			continue
		}
		if none := compressed(t, &Layers{}, content, gzipBlock); !bytes.Equal(none, data) {
			t.Errorf("%d bytes without a level, want the %d bytes of level 6", len(none), len(data))
		}
	}
}

// TestZstdRoundTrip checks that layers compressed with zstd can be decompressed.
func TestZstdRoundTrip(t *testing.T) {
	content := text(gzipBlock)
	for _, n := range []int{0, 1, len(content)} {
		r, err := zstd.NewReader(bytes.NewReader(compressed(t, &Layers{Compression: Compression{Type: "zstd"}}, content[:n], 1000)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content[:n]) {
			t.Errorf("read %d bytes, %v, want %d bytes", len(got), err, n)
		}
		r.Close()
	}
}

// limitedWriter is a writer that returns an error after n bytes.
type limitedWriter struct{ n int }

var errFull = errors.New("full")

// Write implements [io.Writer].
func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestGzipWriteError checks that Close of a gzipWriter returns the error of its destination.
// Write must return the error soon after it occurred.
func TestGzipWriteError(t *testing.T) {
	content := text(gzipBlock)
	x := &Layers{Compression: Compression{Level: 1}}
	blocks := x.gzip()
	whole := len(compressed(t, x, content, gzipBlock))
	for _, n := range []int{0, 9, 10, whole - 9, whole - 8, whole - 1} {
		w := blocks.writer(&limitedWriter{n})
		_, err := w.Write(content)
		if closeErr := w.Close(); !errors.Is(closeErr, errFull) {
			t.Errorf("%d bytes: error %v, then %v, want %v", n, err, closeErr, errFull)
		}
	}
	w := blocks.writer(&limitedWriter{1000})
	var err error
	for written := 0; err == nil && written < 1000; written++ {
		_, err = w.Write(content)
	}
	if closeErr := w.Close(); !errors.Is(err, errFull) || !errors.Is(closeErr, errFull) {
		t.Errorf("error of Write %v, of Close %v, want %v", err, closeErr, errFull)
	}
	if len(blocks.slots) > 0 {
		t.Errorf("%d blocks are still being compressed", len(blocks.slots))
	}
}
