// Command bench compares our converter with docker/dockerfile's in speed and memory usage. A
// converter turns the content of a Dockerfile into an encoded LLB definition.
//
// Both converters get the same options and the same images, from memory. They take turns, so
// that noise affects both equally. Every number is the median over the turns, and a ratio is
// the median of the ratios of each turn. Before measuring a case, bench checks that both
// results are equal.
//
// A second table compares our conversions of two files: of one with a gate and of a plain file
// with the same operations.
//
//	go run ./integration/bench [-run REGEXP] [-count N] [-only ours|upstream]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := fs.String("run", "", "run only cases whose name matches this regular `expression`")
	count := fs.Int("count", 10, "take the median of `n` turns")
	side := fs.String("only", "", "measure only one converter, `ours` or upstream")
	cpu := fs.String("cpuprofile", "", "write a CPU profile to `file`")
	mem := fs.String("memprofile", "", "write an allocation profile to `file`")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cases, pairs, err := load(*only)
	if err != nil {
		return err
	}
	converters := []converter{upstream{}, ours{}}
	if *side != "" {
		converters = slices.DeleteFunc(converters, func(c converter) bool { return c.name() != *side })
	}
	if len(converters) == 0 || *count < 1 {
		return fmt.Errorf("no case to measure")
	}
	if *mem != "" {
		runtime.MemProfileRate = 4 << 10 // at the default rate, profiles miss most allocations for small files
	}
	stop, err := profile(*cpu)
	if err != nil {
		return err
	}
	defer stop()
	start := time.Now()
	t := newTable(w, converters)
	for _, c := range cases {
		m, err := measure(ctx, c, converters, *count)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		t.row(c, m)
	}
	t.growth()
	if *side != (upstream{}).name() {
		if err := measurePairs(ctx, w, pairs, *count); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\n%d turns each, in %s, %s, %d CPUs\n", *count, time.Since(start).Round(time.Second), runtime.Version(), runtime.GOMAXPROCS(0))
	return writeAllocs(*mem)
}

// load returns the benchmark cases and the pairs whose names match the regular expression
// pattern.
func load(pattern string) ([]*benchCase, []pair, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, nil, err
	}
	cases, err := allCases()
	if err != nil {
		return nil, nil, err
	}
	pairs, err := allPairs()
	if err != nil {
		return nil, nil, err
	}
	cases = slices.DeleteFunc(cases, func(c *benchCase) bool { return !re.MatchString(c.name) })
	pairs = slices.DeleteFunc(pairs, func(p pair) bool { return !re.MatchString(p.name) })
	if len(cases)+len(pairs) == 0 {
		return nil, nil, fmt.Errorf("no cases match %q", pattern)
	}
	return cases, pairs, nil
}

func profile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func writeAllocs(name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := pprof.Lookup("allocs").WriteTo(f, 0); err != nil {
		return err
	}
	return f.Close()
}
