package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"slipway/integration/rig"
)

func main() {
	runMeasured() // returns only if this process does not measure a program
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildbench:", err)
		os.Exit(1)
	}
}

// options contains the values of the command-line flags.
type options struct {
	runs     int
	cases    *regexp.Regexp
	builders []string
	output   string
}

func parse(args []string) (options, error) {
	fs := flag.NewFlagSet("buildbench", flag.ContinueOnError)
	o := options{}
	fs.IntVar(&o.runs, "runs", 10, "`number` of measured builds of each case with each builder")
	only := fs.String("run", "", "run only cases whose name matches this regular `expression`")
	builders := fs.String("builders", "buildkitd,slipway,buildah", "`names` of the builders, or absolute paths of slipway programs; the others are compared with the first one")
	fs.StringVar(&o.output, "output", "none", "`output` that builds write in addition to their state: none or oci")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.cases, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	o.builders = strings.Split(*builders, ",")
	if o.runs < 1 || o.output != "none" && o.output != "oci" {
		return o, errors.New("-runs must be at least 1, and -output none or oci")
	}
	return o, nil
}

func run(ctx context.Context, w io.Writer, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	r, err := rig.Start(ctx, rig.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var builders []builder
	for _, name := range o.builders {
		b, err := newBuilder(ctx, r, name, o.output)
		if err != nil {
			return err
		}
		builders = append(builders, b)
		fmt.Fprintf(w, "%s: %s\n", name, b.about(ctx))
	}
	start := time.Now()
	t := newTable(w)
	for _, c := range cases() {
		if !o.cases.MatchString(c.name) {
			continue
		}
		results, err := measure(ctx, r, c, builders, o.runs)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		t.rows(c.name, results)
	}
	fmt.Fprintf(w, "\n%d builds each, in %s, %s, %d CPUs, output %s\n", o.runs, time.Since(start).Round(time.Second), runtime.Version(), runtime.GOMAXPROCS(0), o.output)
	return nil
}

// result contains the measurements of one builder for one case.
type result struct {
	builder string
	times   []time.Duration
	memory  int64 // peak memory in bytes
	disk    int64 // size of the state in bytes
}

// measure measures the builds of case c. The builders take turns: in each turn, each builder
// runs one build. The parameter runs is the number of turns. Unless c.cold is set, each
// builder first fills its cache with an uncounted build.
func measure(ctx context.Context, r *rig.Rig, c *benchCase, builders []builder, runs int) ([]*result, error) {
	dir, err := r.TempDir("bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := c.write(dir); err != nil {
		return nil, err
	}
	var results []*result
	for _, b := range builders {
		results = append(results, &result{builder: b.name()})
		if err := b.empty(ctx); err != nil {
			return nil, err
		}
	}
	first := 0
	if !c.cold {
		first = -1
	}
	for turn := first; turn < runs; turn++ {
		if err := c.turn(dir, turn); err != nil {
			return nil, err
		}
		for i := range builders {
			i = (i + max(0, turn)) % len(builders)
			if err := results[i].build(ctx, builders[i], c, dir, turn); err != nil {
				return nil, fmt.Errorf("%s: %w", builders[i].name(), err)
			}
		}
	}
	for i, b := range builders {
		if results[i].disk, err = diskUsage(b.state()); err != nil {
			return nil, err
		}
		if err := b.empty(ctx); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// build runs one build of case c with the builder b and records its time and memory in res.
// If turn is negative, the build only fills the cache and is not recorded.
func (res *result) build(ctx context.Context, b builder, c *benchCase, dir string, turn int) error {
	if c.cold {
		if err := b.empty(ctx); err != nil {
			return err
		}
	}
	unix.Sync() // writes of earlier builds would slow this one down
	u, err := b.build(ctx, dir)
	if err != nil {
		return err
	}
	if turn >= 0 {
		res.times = append(res.times, u.time)
		res.memory = max(res.memory, u.memory)
	}
	return nil
}

// diskUsage returns the size of a directory in bytes, as du(1) counts it: allocated blocks,
// each inode once.
func diskUsage(dir string) (int64, error) {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // another process may remove files meanwhile
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[inode{st.Dev, st.Ino}] {
			seen[inode{st.Dev, st.Ino}] = true
			total += st.Blocks * 512
		}
		return nil
	})
	return total, err
}

// median returns the median duration. The durations in times can be in any order.
func median(times []time.Duration) time.Duration {
	t := slices.Sorted(slices.Values(times))
	return (t[(len(t)-1)/2] + t[len(t)/2]) / 2
}
