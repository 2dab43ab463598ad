// Package memtest measures the memory that code allocates, for tests that limit this memory.
package memtest

import "runtime"

// runs is the maximum number of times that Allocated runs a function.
const runs = 5

// Allocated runs f up to five times, and returns the smallest number of bytes that a run
// allocated. It stops after the first run that allocated no more than the limit, the parameter
// enough. If the limit is 0, it always runs f five times.
//
// A single measurement can be too high: it includes the allocations of other goroutines, and
// the allocations that refill a [sync.Pool] after a garbage collection. The race detector
// makes pools drop values at random.
func Allocated(f func(), enough uint64) uint64 {
	least := allocated(f)
	for i := 1; i < runs && least > enough; i++ {
		least = min(least, allocated(f))
	}
	return least
}

// allocated returns the number of bytes that the process allocates while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
