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

// turn contains the average cost of converting one Dockerfile during one turn of a converter:
// the duration and the number of bytes allocated.
type turn struct {
	time  time.Duration
	bytes float64 // bytes allocated
}

// measurement contains the measured costs of all turns. measurement[i] lists the costs of
// converter number i, one element per turn.
type measurement [][]turn

// turnDuration is the approximate duration of a turn. Longer turns would not increase the
// accuracy.
const turnDuration = 50 * time.Millisecond

// measure measures the conversion of a case by each converter. The converters take turns,
// and count is the number of turns.
func measure(ctx context.Context, c *benchCase, converters []converter, count int) (measurement, error) {
	if err := checkEqual(ctx, c, converters); err != nil {
		return nil, err
	}
	m := make(measurement, len(converters))
	times := make([]int, len(converters))
	for i, conv := range converters {
		t, err := measureTurn(ctx, c, conv, 1)
		if err != nil {
			return nil, err
		}
		times[i] = int(max(1, turnDuration/max(1, t.time*time.Duration(len(c.files)))))
	}
	for range count {
		for i, conv := range converters {
			t, err := measureTurn(ctx, c, conv, times[i])
			if err != nil {
				return nil, err
			}
			m[i] = append(m[i], t)
		}
	}
	return m, nil
}

// measureTurn converts each Dockerfile of a case the given number of times. It returns the
// average duration and the average number of bytes allocated per conversion.
func measureTurn(ctx context.Context, c *benchCase, conv converter, times int) (turn, error) {
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

// checkEqual checks that all converters return the same result for each Dockerfile of case c.
// If the results for a Dockerfile differ, checkEqual returns an error. If c.skipFailures is
// true, it removes the Dockerfile from the case instead.
func checkEqual(ctx context.Context, c *benchCase, converters []converter) error {
	var equal []file
	for i := range c.files {
		err := same(ctx, &c.files[i], converters)
		if err != nil && !c.skipFailures {
			return err
		}
		if err == nil {
			equal = append(equal, c.files[i])
		}
	}
	c.files = equal
	if len(equal) == 0 {
		return errors.New("every file fails to convert")
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
			return fmt.Errorf("%s and %s produce different operations", conv.name(), converters[0].name())
		}
	}
	return nil
}

func sameOps(a, b *pb.Definition) bool { return slices.EqualFunc(a.Def, b.Def, bytes.Equal) }

// median returns the median of the values f(0), …, f(n-1).
func median(n int, f func(i int) float64) float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = f(i)
	}
	slices.Sort(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}
