package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"slipway/integration/rig"
)

// bench measures the builds of cases with several builders. Not safe for concurrent use.
type bench struct {
	rig      *rig.Rig
	opt      options
	builders []builder
	layout   *layoutImage
	sink     string
	stop     func() error // stops the registry at the address sink
}

// newBench prepares the builders that the options select, and writes a line about each builder
// to w.
func newBench(ctx context.Context, w io.Writer, r *rig.Rig, opt options) (*bench, error) {
	b := &bench{rig: r, opt: opt}
	for _, name := range opt.builders {
		builder, err := newBuilder(ctx, r, name)
		if err != nil {
			return nil, err
		}
		b.builders = append(b.builders, builder)
		fmt.Fprintf(w, "%s: %s\n", name, builder.about(ctx))
	}
	var err error
	if b.layout, err = newLargeImage(ctx, r, int(math.Ceil(largeFiles*opt.scale))); err != nil {
		return nil, err
	}
	b.sink, b.stop, err = startSink()
	return b, err
}

// row contains the measurements for one row of the table, which covers all or some turns of a
// case.
type row struct {
	name    string
	results []*result
}

// result contains the measurements of one builder for one row of the table.
type result struct {
	builder string
	builds  []usage
	disk    int64 // size of the state in bytes, after the last build
}

// measure measures the builds of case c. The builders take turns: in each turn, each builder
// runs one build. Unless c.cold is set, each builder first fills its cache with an uncounted
// build. If c.series is set, the case measures how builds become slower. In this case, measure
// returns two rows: one for the first tenth of the turns, and one for the last tenth.
func (b *bench) measure(ctx context.Context, c *benchCase) ([]*row, error) {
	dir, err := b.rig.TempDir("bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := c.write(dir); err != nil {
		return nil, err
	}
	builders := b.builders
	if c.large {
		builders = slices.DeleteFunc(slices.Clone(builders), func(b builder) bool { return b.name() == "buildah" })
	}
	if err := emptyAll(ctx, builders); err != nil {
		return nil, err
	}
	run := &caseRun{b, c, dir, builders}
	var rows []*row
	for _, p := range c.parts(b.opt.runs) {
		results, err := run.turns(ctx, p.start, p.end)
		if err != nil {
			return nil, err
		}
		if p.name != "" {
			rows = append(rows, &row{p.name, results})
		}
	}
	return rows, emptyAll(ctx, builders)
}

// part is a range of the repetitions of a benchmarked build, reported as one row. If its name
// is "", the repetitions are not reported.
type part struct {
	name       string
	start, end int
}

// parts divides the turns of a case into parts, in order. The parameter runs is the value of
// the flag -runs.
func (c *benchCase) parts(runs int) []part {
	var parts []part
	if !c.cold {
		parts = append(parts, part{"", -1, 0})
	}
	turns := c.turns(runs)
	tenth := turns / 10
	if c.series == 0 || tenth == 0 {
		return append(parts, part{c.name, 0, turns})
	}
	return append(parts,
		part{fmt.Sprintf("%s, first %d", c.name, tenth), 0, tenth},
		part{"", tenth, turns - tenth},
		part{fmt.Sprintf("%s, last %d", c.name, tenth), turns - tenth, turns},
	)
}

// caseRun measures one case. The directory dir is its build context.
type caseRun struct {
	*bench
	c        *benchCase
	dir      string
	builders []builder
}

// turns runs the turns of a case with the numbers start to end-1, and returns one result per
// builder.
func (r *caseRun) turns(ctx context.Context, start, end int) ([]*result, error) {
	var results []*result
	for _, b := range r.builders {
		results = append(results, &result{builder: b.name()})
	}
	for turn := start; turn < end; turn++ {
		if err := r.c.turn(r.dir, turn); err != nil {
			return nil, err
		}
		for i := range r.builders {
			i = (i + max(0, turn)) % len(r.builders)
			u, err := r.build(ctx, r.builders[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.builders[i].name(), err)
			}
			results[i].builds = append(results[i].builds, u)
		}
	}
	for i, b := range r.builders {
		var err error
		if results[i].disk, err = diskUsage(b.state()); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// build runs one build with the builder b.
func (r *caseRun) build(ctx context.Context, b builder) (usage, error) {
	if r.c.cold {
		if err := b.empty(ctx); err != nil {
			return usage{}, err
		}
	}
	unix.Sync() // writes of earlier builds would slow this one down
	req := request{dir: r.dir, output: r.opt.output, sink: r.sink, cold: r.c.cold}
	if r.c.output != "" {
		req.output = r.c.output
	}
	if r.c.layout {
		req.layout = r.layout
	}
	return b.build(ctx, req)
}

// emptyAll deletes the state of each builder.
func emptyAll(ctx context.Context, builders []builder) error {
	for _, b := range builders {
		if err := b.empty(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.name(), err)
		}
	}
	return nil
}

// diskUsage returns the disk space that a directory occupies, in bytes. Like du(1), it counts
// allocated blocks, and counts each inode once.
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
