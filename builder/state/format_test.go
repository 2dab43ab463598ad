package state_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"slipway/builder/state"
	"slipway/solver/tree"
)

// oldState is a state directory whose cached results were written by a Slipway with a
// different format version.
type oldState struct {
	*testing.T
	dir           string
	kept, removed []string // paths in dir that a build must retain, and paths that it must remove
}

func newOldState(t *testing.T) *oldState {
	t.Helper()
	s := &oldState{t, t.TempDir(), []string{"mounts/m/data/f", "store/blobs/ab/cd", "images/i.json"}, []string{"cache/ab/cd.json", "store/dirs/ab/cd"}}
	for _, name := range append(s.kept, s.removed...) {
		if err := os.MkdirAll(filepath.Join(s.dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.mark("1\n")
	return s
}

// mark sets the format version that the state directory records.
func (s *oldState) mark(version string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, "format"), []byte(version), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *oldState) open() *state.Dir {
	s.Helper()
	d, err := state.Open(s.dir, time.Now)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// check checks files in the state directory. If exist is true, each of the files must exist,
// otherwise none of them may exist. The paths of the files are relative to the state directory.
func (s *oldState) check(names []string, exist bool) {
	s.Helper()
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(s.dir, name)); exist && err != nil || !exist && !errors.Is(err, os.ErrNotExist) {
			s.Errorf("%s: error %v, want an existing file: %t", name, err, exist)
		}
	}
}

// TestFormat checks that a build removes cached results with a different format version and
// keeps everything else. While another build is running, it must return an error and remove
// nothing.
func TestFormat(t *testing.T) {
	for _, mark := range []string{"1\n", "", "other\n"} {
		s := newOldState(t)
		s.mark(mark)
		running, err := s.open().Hold(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.open().HoldForBuild(t.Context()); err == nil || !strings.Contains(err.Error(), "another version of slipway is using") {
			t.Errorf("format %q during a build: error %v", mark, err)
		}
		running()
		s.check(s.removed, true)
		for _, want := range []bool{true, false} {
			release, discarded, err := s.open().HoldForBuild(t.Context())
			if err != nil || discarded != want {
				t.Fatalf("format %q: error %v, discarded %t, want %t", mark, err, discarded, want)
			}
			release()
		}
		s.check(s.kept[:2], true)
		s.check(s.removed, false)
	}
}

// TestFormatOfNewDirectory checks that builds in an empty state directory discard nothing.
func TestFormatOfNewDirectory(t *testing.T) {
	s := &oldState{T: t, dir: t.TempDir()}
	first, second := s.open(), s.open()
	for _, d := range []*state.Dir{first, second} {
		release, discarded, err := d.HoldForBuild(t.Context())
		if err != nil || discarded {
			t.Fatalf("error %v, discarded %t", err, discarded)
		}
		defer release()
	}
	if list, err := state.Entries(t.Context(), s.dir, time.Now); err != nil || len(list) > 0 {
		t.Errorf("entries %v, error %v, want none", list, err)
	}
}

// TestFormatChangesBeforeTheBuild checks a state directory that changes between Open and
// HoldForBuild: another process replaces the cached results by ones with a different format
// version. HoldForBuild must discard them, and the build must be able to store results.
func TestFormatChangesBeforeTheBuild(t *testing.T) {
	s := &oldState{T: t, dir: t.TempDir(), removed: []string{"cache/ab/cd.json"}}
	d := s.open()
	for _, name := range []string{"cache", "store/dirs"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(s.dir, "cache/ab"), 0o700), os.WriteFile(filepath.Join(s.dir, s.removed[0]), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	s.mark("other\n")
	release, discarded, err := d.HoldForBuild(t.Context())
	if err != nil || !discarded {
		t.Fatalf("error %v, discarded %t, want true", err, discarded)
	}
	defer release()
	s.check(s.removed, false)
	if err := d.Store.Save(tree.Empty()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "cache", "tmp")); err != nil {
		t.Error(err)
	}
}

// TestCommandsOnOtherFormat checks commands on a state directory with a different format
// version. Listing the cache and garbage collection must remove nothing. A prune must remove
// the cached results.
func TestCommandsOnOtherFormat(t *testing.T) {
	s := newOldState(t)
	if err := os.Remove(filepath.Join(s.dir, "images/i.json")); err != nil { // it is not a valid record
		t.Fatal(err)
	}
	if _, err := state.Entries(t.Context(), s.dir, time.Now); err == nil || !strings.Contains(err.Error(), "of another version of slipway") {
		t.Errorf("list: error %v", err)
	}
	if err := (state.GC{Keep: &state.DiskSpace{}}).Collect(t.Context(), s.dir, time.Now); err != nil {
		t.Error(err)
	}
	blob := tree.Blob{Digest: "sha256:abcd000000000000000000000000000000000000000000000000000000000000"}
	if err := s.open().Free(t.Context(), []tree.Blob{blob}); err != nil {
		t.Error(err)
	}
	s.check(append(s.kept[:2], s.removed...), true)
	var log bytes.Buffer
	if _, err := state.Prune(t.Context(), s.dir, time.Now, state.PruneOptions{KeepBytes: 1 << 40, Log: &log}); err != nil {
		t.Error(err)
	}
	if want := "the cached results of another version of slipway were removed\n"; log.String() != want {
		t.Errorf("the prune prints %q, want %q", log.String(), want)
	}
	s.check(s.removed, false)
	s.check(s.kept[:1], true)
	if list, err := state.Entries(t.Context(), s.dir, time.Now); err != nil || len(list) > 1 {
		t.Errorf("after the prune: %v, error %v", list, err)
	}
}
