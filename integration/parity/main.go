// Command parity runs docker/dockerfile's frontend and ours on every case of testdata, without
// a builder, and prints a comparison. It fails if results that must be equal, such as
// operations, differ in any case. It also fails if a difference that a case declares as
// intended no longer occurs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/integration/differential"
	"slipway/internal/golden"
	"slipway/internal/offline"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "parity:", err)
	}
	if err != nil || failed {
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (failed bool, err error) {
	fs := flag.NewFlagSet("parity", flag.ContinueOnError)
	only := fs.String("run", "", "compare only cases whose name matches this regular `expression`")
	kinds := fs.String("kind", "", "print only differences of these comma-separated `kinds`")
	most := fs.Int("n", 20, "print at most `count` differences of a kind; 0 means no limit")
	lines := fs.Int("lines", 14, "print at most `count` lines of a difference; 0 means no limit")
	self := fs.Bool("self", false, "compare upstream with itself")
	count := fs.Uint64("generate", 20000, "also compare `count` generated builds; 0 disables them")
	seed := fs.Uint64("seed", 1, "`seed` of the generated builds")
	first := fs.Uint64("from", 0, "`number` of the first generated build")
	findings := fs.Int("findings", 10, "stop after `count` generated builds that differ")
	if err := fs.Parse(args); err != nil {
		return false, err
	}
	opt := differential.ReportOptions{MaxDiffs: *most, Lines: *lines}
	if opt.Kinds, err = parseKinds(*kinds); err != nil {
		return false, err
	}
	cases, err := load(*only)
	if err != nil {
		return false, err
	}
	var build gateway.BuildFunc = differential.Ours()
	if *self {
		build = differential.Upstream()
	}
	offline.DisableLookups()
	outcomes, err := differential.Judge(ctx, differential.Upstream(), build, cases, runtime.GOMAXPROCS(0))
	if err != nil {
		return false, err
	}
	s := differential.Summarize(outcomes)
	if err := differential.Report(os.Stdout, s, opt); err != nil {
		return false, err
	}
	extended, err := compareExtensions(ctx, build, *only, opt)
	if err != nil {
		return false, err
	}
	span := differential.Span{Seed: *seed, First: *first, Count: *count, Findings: *findings}
	tally, err := differential.JudgeGenerated(ctx, differential.Upstream(), build, span, runtime.GOMAXPROCS(0))
	if err != nil {
		return false, err
	}
	return len(s.Failures) > 0 || extended > 0 || len(tally.Findings) > 0, tally.Write(os.Stdout)
}

// compareExtensions compares our builds of files with extensions with upstream's builds of the
// plain Dockerfiles that slipway eject prints. It returns the number of failures.
func compareExtensions(ctx context.Context, build gateway.BuildFunc, only string, opt differential.ReportOptions) (int, error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return 0, err
	}
	root, err := golden.Root()
	if err != nil {
		return 0, err
	}
	cases, err := golden.LoadExtensions(root)
	if err != nil {
		return 0, err
	}
	cases = slices.DeleteFunc(cases, func(c *golden.Case) bool { return !re.MatchString(c.Name) })
	outcomes, err := differential.JudgeExtensions(ctx, differential.Upstream(), build, cases)
	if err != nil {
		return 0, err
	}
	s := differential.Summarize(outcomes)
	if len(s.Failures) > 0 {
		if err := differential.Report(os.Stdout, s, opt); err != nil {
			return 0, err
		}
	}
	fmt.Printf("files with extensions: %d of %d equal to their plain Dockerfiles\n", len(outcomes)-unequal(outcomes), len(outcomes))
	return len(s.Failures), nil
}

// unequal returns the number of outcomes with a difference.
func unequal(outcomes []differential.Outcome) int {
	n := 0
	for _, o := range outcomes {
		if len(o.Diffs) > 0 {
			n++
		}
	}
	return n
}

func load(only string) ([]*golden.Case, error) {
	re, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	root, err := golden.Root()
	if err != nil {
		return nil, err
	}
	cases, err := golden.Load(root)
	if err != nil {
		return nil, err
	}
	cases = slices.DeleteFunc(cases, func(c *golden.Case) bool { return !re.MatchString(c.Name) })
	if len(cases) == 0 && !strings.HasPrefix(only, "^ext/") {
		return nil, fmt.Errorf("no cases match %q", only)
	}
	return cases, nil
}

func parseKinds(s string) ([]differential.Kind, error) {
	if s == "all" {
		return differential.Kinds(), nil
	}
	var kinds []differential.Kind
	for name := range strings.SplitSeq(s, ",") {
		kind := differential.Kind(strings.TrimSpace(name))
		if kind == "" {
			continue
		}
		if !slices.Contains(differential.Kinds(), kind) {
			return nil, fmt.Errorf("unknown kind %q (want one of %q)", kind, differential.Kinds())
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}
