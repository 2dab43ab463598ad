package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"slipway/internal/slowtest"
)

// dirOf returns a directory with the given entries.
func dirOf(t *testing.T, m Meta, entries ...Entry) *Node {
	t.Helper()
	n, err := NewDir(m, entries)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestWriteConcurrently checks that WriteDir writes several files at a time, even if a single
// directory contains all of them.
func TestWriteConcurrently(t *testing.T) {
	useCPUs(t, 2)
	s := testStore(t)
	b, err := s.PutBytes(make([]byte, batchBytes+1)) // each file is a batch
	if err != nil {
		t.Fatal(err)
	}
	root := dirOf(t, Meta{Mode: 0o700}, Entry{"a", NewFile(Meta{}, b)}, Entry{"b", NewFile(Meta{}, b)})
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("timeout"))
	defer cancel()
	var both sync.WaitGroup
	both.Add(2)
	done := make(chan struct{})
	go func() { both.Wait(); close(done) }()
	err = WriteDir(ctx, t.TempDir(), root, s, HostOptions{Written: func(int64) {
		both.Done()
		select {
		case <-done:
		case <-ctx.Done():
		}
	}})
	if err != nil {
		t.Errorf("write two files that wait for each other: error %v", err)
	}
}

// TestWriteManyFiles checks a tree of 20,000 files in 200 directories. Each directory
// contains hard links to files of other directories, and the times and modes of
// directories must not change while entries are created.
func TestWriteManyFiles(t *testing.T) {
	slowtest.Skip(t, "writes many files")
	useCPUs(t, 4)
	s := testStore(t)
	at := time.Unix(1_000_000_000, 5000).UTC()
	var dirs []Entry
	for i := range 200 {
		var entries []Entry
		for j := range 100 {
			b, err := s.PutBytes([]byte(strings.Repeat("x", i%10*j)))
			if err != nil {
				t.Fatal(err)
			}
			n := NewFile(Meta{Mode: 0o600, ModTime: at.Add(time.Duration(j) * time.Second)}, b)
			if i%10 == 0 && j%10 == 0 {
				n = n.WithInode(fmt.Sprint(j)) // one of 10 files in 20 directories
			}
			entries = append(entries, Entry{fmt.Sprintf("f%02d", j), n})
		}
		m := Meta{Mode: 0o500, ModTime: at.Add(time.Duration(i) * time.Second)}
		dirs = append(dirs, Entry{fmt.Sprintf("d%03d", i), dirOf(t, m, append(entries, Entry{"sub", dirOf(t, m, entries...)})...)})
	}
	root := dirOf(t, Meta{Mode: 0o700, ModTime: at}, dirs...)
	dir := t.TempDir()
	var mu sync.Mutex
	var files int
	if err := WriteDir(t.Context(), dir, root, s, HostOptions{Written: func(int64) { mu.Lock(); files++; mu.Unlock() }}); err != nil {
		t.Fatal(err)
	}
	if want := 2*200*100 - 2*20*10 + 10; files != want { // one of the names of each file
		t.Errorf("%d files were written, want %d", files, want)
	}
	got, err := HostReader{Store: s, Meta: func(f HostFile) (Meta, error) { f.Meta.UID, f.Meta.GID = 0, 0; return f.Meta, nil }}.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != root.Digest() {
		t.Errorf("the tree on the host has the digest %s, want %s", got.Digest(), root.Digest())
	}
	for _, name := range []string{"d000/f10", "d000/sub/f10", "d190/f10"} {
		if inode := must(got.Get(name)).Inode(); inode == "" || inode != must(got.Get("d100/sub/f10")).Inode() {
			t.Errorf("%s is not a hard link of d100/sub/f10", name)
		}
	}
}

// TestWriteDeep checks that WriteDir keeps few files open while it writes a tree whose paths
// have the maximum length.
func TestWriteDeep(t *testing.T) {
	slowtest.Skip(t, "makes deep directories")
	useCPUs(t, 2)
	s := testStore(t)
	b, err := s.PutBytes([]byte("12345"))
	if err != nil {
		t.Fatal(err)
	}
	m := Meta{Mode: 0o700, ModTime: time.Unix(5, 0).UTC()}
	file := Entry{"f", NewFile(Meta{Mode: 0o600, ModTime: m.ModTime}, b)}
	root := dirOf(t, m, file)
	for range (maxPath - len("/f")) / 2 {
		root = dirOf(t, m, Entry{"a", root}, Entry{"b", dirOf(t, m, file)}, file)
	}
	dir := t.TempDir()
	limitFiles(t, 2*openLevels+maxPath/2/openLevels+20)
	if err := WriteDir(t.Context(), dir, root, s, HostOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := HostReader{Store: s, Meta: func(f HostFile) (Meta, error) { f.Meta.UID, f.Meta.GID = 0, 0; return f.Meta, nil }}.ReadDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest() != root.Digest() {
		t.Errorf("the tree on the host has the digest %s, want %s", got.Digest(), root.Digest())
	}
	if err := RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

// TestFirstWriteError checks that WriteDir returns the error of the first file, in the order
// of the walk, that cannot be written.
func TestFirstWriteError(t *testing.T) {
	useCPUs(t, 4)
	s := testStore(t)
	big, err := s.PutBytes(make([]byte, batchBytes+1))
	if err != nil {
		t.Fatal(err)
	}
	missing := func(i int) *Node {
		return NewFile(Meta{}, Blob{Digest: digest.FromString(fmt.Sprint(i)), Size: 1})
	}
	var entries []Entry
	for i := range 20 {
		entries = append(entries, Entry{fmt.Sprintf("a%02d", i), NewFile(Meta{}, big)}, Entry{fmt.Sprintf("b%02d", i), missing(i)})
	}
	sub := dirOf(t, Meta{}, append(entries[1:], Entry{"a", missing(-1)})...)
	root := dirOf(t, Meta{Mode: 0o700}, append([]Entry{{"a", sub}}, entries...)...)
	for range 20 {
		err := WriteDir(t.Context(), t.TempDir(), root, s, HostOptions{})
		if err == nil || !strings.HasPrefix(err.Error(), "/b00: blob ") {
			t.Fatalf("error %v, want one about /b00", err)
		}
	}
}

// TestWriteEnds checks that WriteDir returns the cause of a context that ends, and writes no
// more files.
func TestWriteEnds(t *testing.T) {
	useCPUs(t, 2)
	s := testStore(t)
	b, err := s.PutBytes(nil)
	if err != nil {
		t.Fatal(err)
	}
	var entries []Entry
	for i := range 1000 {
		entries = append(entries, Entry{fmt.Sprintf("d%03d", i), dirOf(t, Meta{Mode: 0o700}, Entry{"f", NewFile(Meta{}, b)})})
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	var mu sync.Mutex
	files := 0
	err = WriteDir(ctx, t.TempDir(), dirOf(t, Meta{Mode: 0o700}, entries...), s, HostOptions{Written: func(int64) {
		cancel(cause)
		mu.Lock()
		files++
		mu.Unlock()
	}})
	if !errors.Is(err, cause) || err.Error() != "enough" {
		t.Errorf("error %v, want %v", err, cause)
	}
	if files > 3 {
		t.Errorf("%d files were written after the context ended, want at most one for each goroutine", files)
	}
}
