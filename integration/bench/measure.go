package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/moby/buildkit/solver/pb"
)

// turn is the cost of one conversion of all files of a case.
type turn struct {
	time  time.Duration
	bytes float64 // allocated
}

// measurement contains the turns of each converter, in the order of the
// converters.
type measurement [][]turn

// quick is the target duration of one turn. A longer turn would not be more
// accurate.
const quick = 50 * time.Millisecond

// measure measures the converters in alternating turns.
func measure(ctx context.Context, c *benchCase, converters []converter, count int) (measurement, error) {
	if err := check(ctx, c, converters); err != nil {
		return nil, err
	}
	m := make(measurement, len(converters))
	times := make([]int, len(converters))
	for i, conv := range converters {
		t, err := take(ctx, c, conv, 1)
		if err != nil {
			return nil, err
		}
		times[i] = int(max(1, quick/max(1, t.time*time.Duration(len(c.files)))))
	}
	for range count {
		for i, conv := range converters {
			t, err := take(ctx, c, conv, times[i])
			if err != nil {
				return nil, err
			}
			m[i] = append(m[i], t)
		}
	}
	return m, nil
}

// take converts all files of a case the given number of times, and returns the
// average cost per file.
func take(ctx context.Context, c *benchCase, conv converter, times int) (turn, error) {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	for range times {
		for i := range c.files {
			if _, err := conv.convert(ctx, &c.files[i]); err != nil {
				return turn{}, err
			}
		}
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	n := times * len(c.files)
	return turn{
		time:  took / time.Duration(n),
		bytes: float64(after.TotalAlloc-before.TotalAlloc) / float64(n),
	}, nil
}

// check compares the results of all converters. It drops files of the corpus
// that fail or differ from the case.
func check(ctx context.Context, c *benchCase, converters []converter) error {
	var kept []file
	for i := range c.files {
		err := same(ctx, &c.files[i], converters)
		if err != nil && !c.lenient {
			return err
		}
		if err == nil {
			kept = append(kept, c.files[i])
		}
	}
	c.files = kept
	if len(kept) == 0 {
		return errors.New("nothing converts")
	}
	return nil
}

func same(ctx context.Context, f *file, converters []converter) error {
	var first []*pb.Definition
	for i, conv := range converters {
		defs, err := conv.convert(ctx, f)
		if err != nil {
			return fmt.Errorf("%s: %w", conv.name(), err)
		}
		if i == 0 {
			first = defs
		} else if !slices.EqualFunc(first, defs, sameOps) {
			return fmt.Errorf("%s makes other operations than %s", conv.name(), converters[0].name())
		}
	}
	return nil
}

func sameOps(a, b *pb.Definition) bool { return slices.EqualFunc(a.Def, b.Def, bytes.Equal) }

// median returns the median of f(0) to f(n-1).
func median(n int, f func(i int) float64) float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = f(i)
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
