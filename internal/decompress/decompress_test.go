package decompress

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// TestCompressions checks that NewReader decompresses gzip and zstd, and returns uncompressed
// content unchanged.
func TestCompressions(t *testing.T) {
	content := randomText(3*chunkSize + 17)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"uncompressed": content,
		"gzip":         gzipped(t, content, ""),
		"zstd":         encoder.EncodeAll(content, nil),
	} {
		r, err := NewReader(iotest.HalfReader(bytes.NewReader(data)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: %d bytes, %v, want %d bytes", name, len(got), err, len(content))
		}
	}
	for _, data := range []string{"", "a"} {
		r, err := NewReader(strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != data {
			t.Errorf("got %q, %v, want %q", got, err, data)
		}
	}
}

// TestDamagedGzip checks that NewReader returns the same content and the same errors as Go's
// compress/gzip, for damaged files and for files with several members. Only offsets in errors
// may differ, because the packages read ahead by different amounts.
func TestDamagedGzip(t *testing.T) {
	first, second := gzipped(t, randomText(300), "first"), gzipped(t, []byte("second"), "another")
	const digits = "0123456789"
	file := append(bytes.Clone(first), second...)
	cases := map[string][]byte{
		"two members":    file,
		"empty member":   append(gzipped(t, nil, ""), second...),
		"garbage after":  append(bytes.Clone(file), "garbage"...),
		"one byte after": append(bytes.Clone(file), 0),
		"zeros after":    append(bytes.Clone(file), make([]byte, 512)...),
	}
	for n := 4; n < len(file); n++ { // a shorter file does not look like gzip
		cases[fmt.Sprintf("%d bytes", n)] = file[:n]
	}
	for n := 3; n < len(file); n++ {
		changed := bytes.Clone(file)
		changed[n] ^= 1 << (n % 8)
		cases[fmt.Sprintf("byte %d changed", n)] = changed
	}
	for name, data := range cases {
		got, err := read(NewReader(bytes.NewReader(data)))
		want, wantErr := read(stdgzip.NewReader(bytes.NewReader(data)))
		if strings.TrimRight(fmt.Sprint(err), digits) != strings.TrimRight(fmt.Sprint(wantErr), digits) {
			t.Errorf("%s: error %v, want %v", name, err, wantErr)
		}
		if !bytes.HasPrefix(want, got) || err == nil && len(got) < len(want) {
			t.Errorf("%s: read %q, want %q", name, got, want)
		}
	}
}

func read(r io.ReadCloser, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// TestReadError checks what Read returns if reading the compressed file fails: first the
// content before the error, and then the error, also in each later call.
func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := NewReader(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	data := gzipped(t, randomText(3*chunkSize), "")
	r, err := NewReader(io.MultiReader(bytes.NewReader(data[:len(data)-8]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); !errors.Is(err, broken) || len(got) != 3*chunkSize {
		t.Errorf("read %d bytes, %v, want %d bytes, %v", len(got), err, 3*chunkSize, broken)
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, broken) {
		t.Errorf("then read %d bytes, %v, want %v", n, err, broken)
	}
}

// TestClose checks that, after Close, nothing reads from the compressed file, regardless of
// how much was read before.
func TestClose(t *testing.T) {
	data := gzipped(t, randomText(20*chunkSize), "")
	for _, n := range []int64{0, 1, chunkSize, 3 * chunkSize, 20 * chunkSize} {
		under := bytes.NewReader(data)
		r, err := NewReader(under)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, n); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("close after %d bytes: %v", n, err)
		}
		under.Reset(nil) // the race detector reports a concurrent read
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("read after Close: error %v, want %v", err, fs.ErrClosed)
		}
	}
}

// TestReadAheadIsBounded checks that a readAhead reads at most maxChunks-1 chunks ahead. Read
// may return data from one more chunk at the same time.
func TestReadAheadIsBounded(t *testing.T) {
	reads := make(chan int)
	a := newReadAhead(readerFunc(func(p []byte) (int, error) {
		reads <- len(p)
		return len(p), nil
	}))
	for range maxChunks - 1 {
		if n := <-reads; n != chunkSize {
			t.Errorf("reads %d bytes at a time, want %d", n, chunkSize)
		}
	}
	if err := a.Close(); err != nil { // would wait for a further read
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

// Read implements [io.Reader].
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// randomText returns n bytes that compress to about half their size.
func randomText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('a' + r.IntN(16))
	}
	return text
}

// gzipped returns data as a gzip member that contains a file name.
func gzipped(t *testing.T, data []byte, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := stdgzip.NewWriter(&b)
	w.Name = name
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
