package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	dir      string
	scale    float64
}

func parse(args []string) (options, error) {
	fs := flag.NewFlagSet("buildbench", flag.ContinueOnError)
	o := options{}
	fs.IntVar(&o.runs, "runs", 10, "`number` of measured builds of each case with each builder")
	only := fs.String("run", "", "run only cases whose name matches this regular `expression`")
	builders := fs.String("builders", "buildkitd,slipway,buildah", "`names` of the builders, or absolute paths of slipway programs; the others are compared with the first one")
	fs.StringVar(&o.output, "output", "none", "`output` that builds write in addition to their state: none, oci or push")
	fs.StringVar(&o.dir, "dir", "", "`directory` on the filesystem to measure, for contexts and states (default $TMPDIR)")
	fs.Float64Var(&o.scale, "scale", 1, "`factor` of the numbers and sizes of files, to try a case")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.cases, err = regexp.Compile(*only); err != nil {
		return o, err
	}
	o.builders = strings.Split(*builders, ",")
	if o.runs < 1 || o.scale <= 0 || !slices.Contains([]string{"none", "oci", "push"}, o.output) {
		return o, errors.New("-runs must be at least 1, -scale above 0, and -output none, oci or push")
	}
	return o, nil
}

func run(ctx context.Context, w io.Writer, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.dir != "" {
		if err := os.Setenv("TMPDIR", o.dir); err != nil {
			return err
		}
	}
	r, err := rig.Start(ctx, rig.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	bench, err := newBench(ctx, w, r, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bench.stop()) }()
	start := time.Now()
	t := &table{}
	for _, c := range cases(o.scale) {
		if !o.cases.MatchString(c.name) {
			continue
		}
		rows, err := bench.measure(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		for _, r := range rows {
			t.add(r)
			fmt.Fprintln(os.Stderr, t.line(r)) // a run takes long and can be interrupted
		}
	}
	t.print(w)
	fmt.Fprintf(w, "\n%d builds each, of large cases %d, in %s, %s, %d CPUs, output %s, files on %s\n",
		o.runs, (o.runs+1)/2, time.Since(start).Round(time.Second), runtime.Version(), runtime.GOMAXPROCS(0), o.output, filesystem(r.Dir))
	return nil
}

// filesystem returns the type of the filesystem that contains dir, such as ext4.
func filesystem(dir string) string {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return err.Error()
	}
	switch s.Type {
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	}
	return fmt.Sprintf("a filesystem of type %#x", s.Type)
}
