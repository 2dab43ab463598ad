package export

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// TestLockIndex checks that only one process at a time holds the lock, and that the last
// process removes the lock file.
func TestLockIndex(t *testing.T) {
	const holders = 50
	dir := t.TempDir()
	counter := filepath.Join(dir, "counter")
	var all sync.WaitGroup
	for range holders {
		all.Go(func() {
			unlock, err := LockIndex(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			data, _ := os.ReadFile(counter)
			n, _ := strconv.Atoi(string(data))
			if err := os.WriteFile(counter, []byte(fmt.Sprint(n+1)), 0o600); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if data, err := os.ReadFile(counter); string(data) != fmt.Sprint(holders) {
		t.Errorf("%d holders counted to %q, %v", holders, data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "index.json.lock")); !os.IsNotExist(err) {
		t.Errorf("the lock file still exists: %v", err)
	}
}

// TestLockIndexEnds checks that LockIndex stops waiting when its context ends.
func TestLockIndexEnds(t *testing.T) {
	dir := t.TempDir()
	unlock, err := LockIndex(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := LockIndex(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
