package solver

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moby/buildkit/solver/pb"

	"slipway/solver/tree"
)

// TestCacheSharing: a second process shares a cache, waits for it, or gets another
// one, as it asks and as those before it did; also one of another build.
func TestCacheSharing(t *testing.T) {
	const shared, private, locked = pb.CacheSharingOpt_SHARED, pb.CacheSharingOpt_PRIVATE, pb.CacheSharingOpt_LOCKED
	store, err := tree.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		first, second pb.CacheSharingOpt
		want          string
	}{
		{shared, shared, "same"},
		{private, private, "other"},
		{locked, locked, "waits"},
		{shared, locked, "waits"},
		{shared, private, "other"},
		{locked, shared, "waits"},
		{private, shared, "waits"},
	} {
		dir := t.TempDir()
		cache := func(ctx context.Context, sharing pb.CacheSharingOpt) (string, func(), error) {
			h := &HostMounts{Dir: dir, Store: store, Now: time.Now} // each is a build of its own
			return h.Cache(ctx, "id", sharing, tree.Empty())
		}
		first, release, err := cache(t.Context(), tc.first)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*lockRetry)
		second, releaseSecond, err := cache(ctx, tc.second)
		cancel()
		got := "same"
		switch {
		case err != nil && ctx.Err() != nil:
			got = "waits"
		case err != nil:
			t.Fatal(err)
		case first != second:
			got = "other"
		}
		if got != tc.want {
			t.Errorf("%v while %v is used: %s, want %s", tc.second, tc.first, got, tc.want)
		}
		if err := os.WriteFile(filepath.Join(first, "kept"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		release()
		if releaseSecond != nil {
			releaseSecond()
		}
		// Whoever comes later has what was left.
		later, release, err := cache(t.Context(), tc.second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(later, "kept")); err != nil {
			t.Errorf("%v after %v: %v", tc.second, tc.first, err)
		}
		release()
	}
}
