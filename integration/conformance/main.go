package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"slipway/integration/frontendimage"
	"slipway/integration/programimage"
	"slipway/integration/rig"
	"slipway/integration/toolbox"
)

// workers returns the kinds of BuildKit worker that the suite supports and that this machine
// can run.
func workers() []string { return []string{"oci", "containerd"} }

// settings contains the command-line flags.
type settings struct {
	workers  []string
	pattern  string // regular expression for the tests to run; "" for all
	recorded bool   // read upstream's outcomes from the record instead of running its image
	record   bool   // write upstream's outcomes to the record

	solver bool     // compare builders instead of frontend images
	suites []string // with solver: suites to run
	quick  bool     // with solver: of each suite, run only the tests that CI runs
}

func main() {
	var set settings
	list := flag.String("worker", strings.Join(workers(), ","), "`workers` to run with, separated by commas")
	flag.StringVar(&set.pattern, "run", "", "run only tests that match this `regexp`, without slashes")
	flag.BoolVar(&set.recorded, "recorded", false, "compare with the recorded outcomes of upstream's image instead of running it")
	flag.BoolVar(&set.record, "record", false, "run only upstream's image and record its outcomes")
	flag.BoolVar(&set.solver, "solver", false, "compare slipway serve with buildkitd, instead of frontend images")
	suites := flag.String("suites", strings.Join(solverSuites(), ","), "with -solver, `suites` to run, separated by commas")
	flag.BoolVar(&set.quick, "quick", false, "with -solver, run only the tests in recorded/solver-SUITE-quick.txt, if this file exists")
	flag.Parse()
	set.suites = strings.Split(*suites, ",")
	set.workers = strings.Split(*list, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, set)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func (set settings) check() error {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return errors.New("BuildKit's tests name linux/amd64 images; run this on linux/amd64")
	}
	for _, w := range set.workers {
		if !slices.Contains(workers(), w) {
			return fmt.Errorf("unknown worker %q, want %s", w, strings.Join(workers(), " or "))
		}
	}
	for _, name := range set.suites {
		if !slices.Contains(solverSuites(), name) {
			return fmt.Errorf("unknown suite %q, want %s", name, strings.Join(solverSuites(), ", "))
		}
	}
	if set.record && (set.recorded || set.pattern != "" || set.quick) {
		return errors.New("-record excludes -run, -quick and -recorded, because it records the whole suite")
	}
	if set.quick && set.pattern != "" {
		return errors.New("-quick excludes -run, because both select tests")
	}
	return nil
}

func run(ctx context.Context, set settings) (ok bool, err error) {
	if err := set.check(); err != nil {
		return false, err
	}
	if err := rig.EnsurePackages(ctx, os.Stderr, "containerd"); err != nil {
		return false, err
	}
	root, err := toolbox.Root()
	if err != nil {
		return false, err
	}
	tmp, err := os.MkdirTemp("", "slw-") // The name is short because the path of a unix socket is limited to 108 bytes.
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	bed, err := newTestbed(ctx, tmp)
	if err != nil {
		return false, err
	}
	if set.solver {
		return set.compareSolvers(ctx, bed, root)
	}
	s, err := bed.dockerfileSuite(ctx)
	if err != nil {
		return false, err
	}
	ok = true
	for _, worker := range set.workers {
		equal, err := set.compareOn(ctx, s, root, worker)
		if err != nil {
			return false, err
		}
		ok = ok && equal
	}
	return ok, nil
}

// compareOn compares the two frontend images on one kind of BuildKit worker. With -record it
// only records upstream's outcomes. ok is false if a test passes with upstream's image only.
func (set settings) compareOn(ctx context.Context, s *suite, root, worker string) (ok bool, err error) {
	var want outcomes
	if set.recorded {
		want, err = readRecord(worker, set.pattern)
	} else {
		want, err = set.outcomes(ctx, s, root, "upstream", worker)
	}
	if err != nil {
		return false, err
	}
	if set.record {
		fmt.Printf("worker=%s: %s\n", worker, want)
		return true, writeRecord(root, worker, want)
	}
	got, err := set.outcomes(ctx, s, root, "ours", worker)
	if err != nil {
		return false, err
	}
	if set.pattern != "" {
		want.dropOuter()
		got.dropOuter()
	}
	c := comparison{title: "worker=" + worker, upstream: "upstream's image", ours: "our image"}
	return len(c.print(os.Stdout, want, got)) == 0, nil
}

// outcomes runs the suite with one frontend image on one kind of BuildKit worker. It returns
// the outcomes.
func (set settings) outcomes(ctx context.Context, s *suite, root, image, worker string) (outcomes, error) {
	archive := filepath.Join(s.tmp, image+".tar")
	if err := writeFrontend(ctx, root, image, archive); err != nil {
		return nil, err
	}
	what := fmt.Sprintf("image %s, worker=%s", image, worker)
	opt := runOptions{env: []string{"FRONTEND_GATEWAY_ONLY=local:" + archive}, worker: worker, pattern: set.pattern}
	return s.outcomes(ctx, opt, what, filepath.Join(root, "bin", "conformance-"+image+"-"+worker+".log"))
}

// outcomes runs the suite and returns the outcomes. The parameter what describes the run in
// messages. All output of the tests goes to the file logFile.
func (s *suite) outcomes(ctx context.Context, opt runOptions, what, logFile string) (outcomes, error) {
	log, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fmt.Fprintf(os.Stderr, "running BuildKit's tests with %s; all output goes to %s\n", what, log.Name())
	start := time.Now()
	o, err := s.run(ctx, opt, os.Stderr, log)
	if err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	fmt.Fprintf(os.Stderr, "%s: %s in %s\n", what, o, time.Since(start).Round(time.Second))
	if len(o) < 2 {
		return nil, errors.New("no test ran")
	}
	return o, nil
}

// writeFrontend writes a frontend image to archive in OCI format, unless archive exists. image
// is "ours" or "upstream".
func writeFrontend(ctx context.Context, root, image, archive string) error {
	if _, err := os.Stat(archive); err == nil {
		return nil
	}
	var binaries []programimage.Binary
	var err error
	if image == "upstream" {
		binaries, err = frontendimage.Upstream(ctx, os.Stderr)
	} else {
		binaries, err = frontendimage.Compile(ctx, root, []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}})
	}
	if err != nil {
		return err
	}
	index, err := frontendimage.Index(binaries)
	if err != nil {
		return err
	}
	return programimage.WriteArchive(archive, index)
}
