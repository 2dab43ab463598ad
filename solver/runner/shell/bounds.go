package shell

import (
	"context"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync/atomic"

	"mvdan.cc/sh/v3/expand"
)

// What a script may have of the memory that it shares with the build.
const (
	maxFile    = 256 << 20 // bytes of a file that it writes, and of standard input
	maxHeap    = 512 << 20 // bytes by which all memory may grow while it runs
	maxFrames  = 10_000    // of the stack: some 1,000 calls of functions
	maxThreads = 1_000     // goroutines by which all may grow while it runs: processes in the background
)

// inBounds refuses a command with too many arguments, or with too many others
// around or beside it.
func (f *files) inBounds(args []string) error {
	n := 0
	for _, a := range args {
		n += len(a) + 16
	}
	var frame [1]uintptr
	switch {
	case n > maxValues:
		return unable("passes at most %d bytes of arguments", maxValues)
	case f.commands.Add(1)%32 == 0 && runtime.Callers(maxFrames, frame[:]) > 0: // it walks the stack
		return unable("runs no functions that call each other for ever")
	case runtime.NumGoroutine() > f.goroutines+maxThreads:
		return unable("runs at most %d processes at a time", maxThreads)
	}
	return nil
}

// bounded refuses variables with more bytes than the limit.
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

// heapContext ends when the memory has grown too much. The interpreter asks it
// before each command.
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
	runtime.GC() // it may be garbage
	if heap() < c.base+maxHeap {
		return nil
	}
	return unable("has no more than %d bytes of memory for a script", maxHeap)
}

// heap returns how many bytes all objects have.
func heap() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
