package memtest

import (
	"testing"
)

// TestAllocated checks that Allocated returns the smallest measurement, and stops after the
// first measurement that is small enough.
func TestAllocated(t *testing.T) {
	for _, tc := range []struct {
		sizes  []int // allocated by each run
		enough uint64
		runs   int
		want   uint64
	}{
		{[]int{8 << 20, 4 << 20, 1 << 20, 2 << 20, 8 << 20}, 0, 5, 1 << 20},
		{[]int{8 << 20, 2 << 20, 1 << 20}, 3 << 20, 2, 2 << 20},
		{[]int{1 << 20}, 3 << 20, 1, 1 << 20},
	} {
		n := 0
		var kept []byte
		got := Allocated(func() {
			kept = make([]byte, tc.sizes[n])
			n++
		}, tc.enough)
		if n != tc.runs || got < tc.want || got > tc.want+tc.want/2 || len(kept) == 0 {
			t.Errorf("runs that allocate %d, enough %d: %d bytes after %d runs, want about %d after %d", tc.sizes, tc.enough, got, n, tc.want, tc.runs)
		}
	}
}
