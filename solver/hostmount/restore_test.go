package hostmount

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// newMounts returns Mounts in a new directory.
func newMounts(t *testing.T) *Mounts {
	t.Helper()
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Mounts{Dir: t.TempDir(), Store: store, Now: time.Now, Temp: t.TempDir()}
}

// restored makes Restore return a directory with one file, and counts its calls.
func restored(h *Mounts) *atomic.Int32 {
	var calls atomic.Int32
	h.Restore = func(_ context.Context, name string, s *tree.Store) (*tree.Node, error) {
		calls.Add(1)
		if name != h.CacheName("id", nil) {
			return nil, nil
		}
		b, err := s.PutBytes([]byte("restored"))
		if err != nil {
			return nil, err
		}
		return tree.NewDir(tree.Meta{Mode: 0o750}, []tree.Entry{{Name: "file", Node: tree.NewFile(tree.Meta{Mode: 0o640}, b)}})
	}
	return &calls
}

// TestRestore checks that concurrent first uses of a cache mount restore its files once, and that
// later uses do not replace them.
func TestRestore(t *testing.T) {
	h := newMounts(t)
	calls := restored(h)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			dir, release, err := h.Cache(t.Context(), "id", pb.CacheSharingOpt_SHARED, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if data, err := os.ReadFile(filepath.Join(dir, "file")); string(data) != "restored" || err != nil {
				t.Errorf("the file has %q, %v, want restored", data, err)
			}
			if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o750 {
				t.Errorf("the directory has mode %v, %v, want 0750", info.Mode(), err)
			}
		})
	}
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("the cache mount was restored %d times, want once", n)
	}
	dir, release, err := h.Cache(t.Context(), "other", pb.CacheSharingOpt_LOCKED, nil)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("a cache mount that no cache has starts with %v, %v, want no files", list, err)
	}
	if left, err := os.ReadDir(h.Temp); err != nil || len(left) > 0 {
		t.Errorf("temporary files remain: %v, %v", left, err)
	}
}

// TestRestoreFails checks that a use of a cache mount fails if its files cannot be restored, and that the
// next use tries again.
func TestRestoreFails(t *testing.T) {
	h := newMounts(t)
	restored(h)
	good, failed := h.Restore, errors.New("no network")
	h.Restore = func(context.Context, string, *tree.Store) (*tree.Node, error) { return nil, failed }
	if _, _, err := h.Cache(t.Context(), "id", pb.CacheSharingOpt_SHARED, nil); !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
	h.Restore = good
	dir, release, err := h.Cache(t.Context(), "id", pb.CacheSharingOpt_LOCKED, nil)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
		t.Error(err)
	}
}

// TestRestoreAfterReset checks that a cache mount that was reset starts empty.
func TestRestoreAfterReset(t *testing.T) {
	h := newMounts(t)
	calls := restored(h)
	if err := h.Reset([]string{"id"}); err != nil {
		t.Fatal(err)
	}
	dir, release, err := h.Cache(t.Context(), "id", pb.CacheSharingOpt_SHARED, nil)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 || calls.Load() > 0 {
		t.Errorf("%v, %v, restored %d times, want an empty directory", list, err, calls.Load())
	}
}

// TestRead checks which directory of a cache mount is read, depending on the processes that use it.
func TestRead(t *testing.T) {
	h := newMounts(t)
	at := time.Unix(1e9, 0)
	h.Now = func() time.Time { at = at.Add(time.Second); return at }
	use := func() (string, func()) {
		t.Helper()
		dir, release, err := h.Cache(t.Context(), "id", pb.CacheSharingOpt_PRIVATE, nil)
		if err != nil {
			t.Fatal(err)
		}
		return dir, release
	}
	read := func(wait time.Duration) (string, error) {
		t.Helper()
		n, err := h.Read(t.Context(), h.CacheName("id", nil), wait, tree.HostReader{})
		if err != nil || n == nil {
			return "", err
		}
		entries, err := n.Entries()
		if err != nil || len(entries) != 1 {
			t.Fatalf("entries %v, %v", entries, err)
		}
		return entries[0].Name, nil
	}
	if got, err := read(0); got != "" || err != nil {
		t.Errorf("a missing cache mount: %q, %v", got, err)
	}
	first, releaseFirst := use()
	second, releaseSecond := use()
	for dir, name := range map[string]string{first: "first", second: "second"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := read(2 * lockRetry); !errors.Is(err, ErrInUse) {
		t.Errorf("all directories are in use: error %v, want %v", err, ErrInUse)
	}
	releaseFirst()
	if got, err := read(0); got != "first" || err != nil {
		t.Errorf("only the second directory is in use: read %q, %v, want the first", got, err)
	}
	releaseSecond()
	if got, err := read(0); got != "second" || err != nil {
		t.Errorf("no directory is in use: read %q, %v, want the second, which was used last", got, err)
	}
	_, releaseFirst = use()
	defer releaseFirst()
	_, releaseSecond = use()
	defer releaseSecond()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Read(ctx, h.CacheName("id", nil), time.Hour, tree.HostReader{}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled while directories are in use: error %v, want %v", err, context.Canceled)
	}
}
