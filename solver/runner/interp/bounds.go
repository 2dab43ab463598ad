package interp

import (
	"context"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync/atomic"

	"mvdan.cc/sh/v3/expand"
)

// Limits of the memory that a script shares with the build.
const (
	maxFile    = 256 << 20 // bytes of a written file, and of standard input
	maxHeap    = 512 << 20 // bytes by which the heap may grow while a script runs
	maxFrames  = 10_000    // stack frames: about 1,000 nested function calls
	maxThreads = 1_000     // goroutines that may be added while a script runs, for background processes
)

// inBounds returns an error for a command with too many arguments, too deep in function
// calls, or with too many concurrent processes.
func (f *files) inBounds(args []string) error {
	n := 0
	for _, a := range args {
		n += len(a) + 16
	}
	var frame [1]uintptr
	switch {
	case n > maxValues:
		return unable("passes at most %d bytes of arguments", maxValues)
	case f.commands.Add(1)%32 == 0 && runtime.Callers(maxFrames, frame[:]) > 0: // walking the stack is slow
		return unable("runs no functions that call each other for ever")
	case runtime.NumGoroutine() > f.goroutines+maxThreads:
		return unable("runs at most %d processes at a time", maxThreads)
	}
	return nil
}

// bounded returns an error if variables have more bytes than the limit.
func bounded(env expand.Environ, limit string) error {
	most, err := strconv.Atoi(limit)
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
	if n > most {
		return unable("keeps at most %d bytes in the variables of this script", most)
	}
	return nil
}

// heapContext is a context that ends when the heap has grown too much. The interpreter
// checks the context before each command.
type heapContext struct {
	context.Context
	base  uint64
	asked atomic.Uint32
}

// withHeap returns a context for a script that starts now.
func withHeap(ctx context.Context) context.Context {
	return &heapContext{Context: ctx, base: heap()}
}

// Err implements [context.Context].
func (c *heapContext) Err() error {
	if err := c.Context.Err(); err != nil || c.asked.Add(1)%16 != 0 || heap() < c.base+maxHeap {
		return err
	}
	runtime.GC() // the growth may be garbage
	if heap() < c.base+maxHeap {
		return nil
	}
	return unable("has no more than %d bytes of memory for a script", maxHeap)
}

// heap returns the number of bytes of all objects on the heap.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
