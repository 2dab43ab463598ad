package interp

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"

	"mvdan.cc/sh/v3/expand"
)

// These limits bound the files, the heap, the call depth and the concurrency of a
// script. They are necessary because a script shares the memory of the builder.
const (
	maxFile    = 256 << 20 // maximum size of a written file and of standard input, in bytes
	maxHeap    = 512 << 20 // maximum growth of the heap while a script runs, in bytes
	maxFrames  = 10_000    // maximum depth of the Go stack: about 1,000 nested shell functions
	maxThreads = 1_000     // maximum number of additional goroutines, as for background processes
)

// checkLimits returns an error if a command that is about to run exceeds a limit: the
// size of its arguments, the depth of function calls or the number of concurrent
// processes.
func (f *files) checkLimits(args []string) error {
	n := 0
	for _, a := range args {
		n += len(a) + 16
	}
	var frame [1]uintptr
	switch {
	case n > maxValues:
		return unsupportedf("allows at most %d bytes of arguments", maxValues)
	case f.commands.Add(1)%32 == 0 && runtime.Callers(maxFrames, frame[:]) > 0: // walking the stack is slow
		return unsupportedf("does not support such deeply nested function calls")
	case runtime.NumGoroutine() > f.goroutines+maxThreads:
		return unsupportedf("allows at most %d concurrent processes", maxThreads)
	}
	return nil
}

// checkVariables returns an error if all variables, including their names, are together
// larger than limit, a number of bytes in decimal digits.
func checkVariables(env expand.Environ, limit string) error {
	maxBytes, err := strconv.Atoi(limit)
	if err != nil {
		return err
	}
	n := 0
	for name, v := range env.Each {
		n += len(name) + len(v.Str)
		for _, s := range v.List {
			n += len(s) + 16
		}
		for k, s := range v.Map {
			n += len(k) + len(s) + 32
		}
	}
	if n > maxBytes {
		return unsupportedf("allows at most %d bytes of variables in this script", maxBytes)
	}
	return nil
}

// heapContext is a context that ends when the heap has grown by more than maxHeap. Because the
// interpreter checks the context before each command, a script cannot allocate unlimited
// memory.
type heapContext struct {
	context.Context
	base  uint64        // size of the heap when the script started
	calls atomic.Uint32 // number of calls to Err
}

// withHeapLimit returns a context for a script that is about to start. The context ends
// when the heap has grown by more than maxHeap from its current size.
func withHeapLimit(ctx context.Context) context.Context {
	return &heapContext{Context: ctx, base: heapSize()}
}

// Err implements [context.Context].
func (c *heapContext) Err() error {
	if err := c.Context.Err(); err != nil || c.calls.Add(1)%16 != 0 || heapSize() < c.base+maxHeap {
		return err
	}
	runtime.GC() // the growth may be garbage
	if heapSize() < c.base+maxHeap {
		return nil
	}
	return unsupportedf("allows at most %d bytes of memory per script", maxHeap)
}

// heapSize returns the total size of all objects on the heap in bytes, including
// garbage that has not been collected yet.
func heapSize() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
