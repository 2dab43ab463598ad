package differential

import (
	"context"
	"fmt"
	"maps"
	"slices"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/errgroup"

	"slipway/internal/corpus"
	"slipway/internal/golden"
)

// upstreamRuns is the number of upstream's runs that show all of its possible
// results. Where it follows the order of a map, it has two or three results,
// but Go starts iterating a map of two at the second entry only one time in
// eight.
const upstreamRuns = 200

// MaxExcused is the maximum number of cases that may differ from upstream with
// an excuse.
const MaxExcused = 10

// Outcome is the result of one case for one value of the option platform.
type Outcome struct {
	Case     *golden.Case
	Platform string
	Fails    bool // whether upstream's frontend returns an error
	Diffs    Differences
	Varied   map[Kind]bool // our result equals a later run of upstream
	Class    *Class        // class of the difference, or nil

	random bool   // whether the build is random, so that classes excuse differences
	kinds  []Kind // kinds to compare; all if nil
	runs   int    // number of upstream's runs; upstreamRuns if 0
	text   string // text of upstream's error
}

// Judge compares a frontend with a reference over cases, several concurrently,
// and returns the outcomes in the order of the cases and their platforms. It
// returns an error only for malformed cases, or if ctx is done.
func Judge(ctx context.Context, reference, build gateway.BuildFunc, cases []*golden.Case, atOnce int) ([]Outcome, error) {
	var outcomes []Outcome
	for _, c := range cases {
		for _, p := range c.Platforms() {
			outcomes = append(outcomes, Outcome{Case: c, Platform: p})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := range outcomes {
		g.Go(func() error { return outcomes[i].judge(ctx, reference, build) })
	}
	return outcomes, g.Wait()
}

func (o *Outcome) judge(ctx context.Context, reference, build gateway.BuildFunc) error {
	theirs, err := Run(ctx, reference, o.Case, o.Platform)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Case.Name, err)
	}
	ours, err := Run(ctx, build, o.Case, o.Platform)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Case.Name, err)
	}
	o.Fails = theirs.Err != nil
	o.Diffs = o.compare(theirs, ours)
	o.Varied = map[Kind]bool{}
	o.classify(o.Diffs, theirs, ours)
	if theirs.Err != nil {
		o.text = theirs.Err.Error()
	}
	runs := o.runs
	if runs == 0 {
		runs = upstreamRuns
	}
	for i := 1; i < runs && len(o.Diffs) > 0 && o.Class == nil; i++ {
		again, err := corpus.Run(ctx, reference, o.Case, o.Platform, i%2*i) // alternately without a seed
		if err != nil {
			return err
		}
		if len(o.compare(theirs, again)) == 0 {
			continue
		}
		diffs := o.compare(again, ours)
		if o.classify(diffs, again, ours); o.Class != nil {
			break
		}
		for kind := range o.Diffs {
			if _, ok := diffs[kind]; !ok {
				delete(o.Diffs, kind)
				o.Varied[kind] = true
			}
		}
	}
	return nil
}

// classify sets the class of a difference, if the build is random. Cases of the
// corpus state their differences in a header.
func (o *Outcome) classify(d Differences, theirs, ours *Record) {
	if o.random {
		o.Class = classOf(d, theirs, ours)
	}
}

func (o *Outcome) compare(a, b *Record) Differences {
	d := Compare(a, b)
	if o.kinds != nil {
		maps.DeleteFunc(d, func(k Kind, _ string) bool { return !slices.Contains(o.kinds, k) })
	}
	return d
}

// Count contains the results of one kind over a corpus.
type Count struct {
	Kind              Kind
	Runs, EqualRuns   int
	Cases, EqualCases int
	Excused           int       // cases that differ with an excuse
	Unexcused         []Outcome // runs that differ without an excuse

	unequal, varied map[string]bool // cases, by name
}

// Summary is the result over a corpus.
type Summary struct {
	Counts []Count  // one for each kind, in the order of [Kinds]
	Faults []string // reasons why the run fails; empty if it succeeds
}

// Summarize counts outcomes and applies the excuses of the cases.
func Summarize(outcomes []Outcome) Summary {
	var s Summary
	for _, kind := range Kinds() {
		s.Counts = append(s.Counts, count(kind, outcomes))
	}
	for _, c := range s.Counts {
		if len(c.Unexcused) > 0 {
			s.Faults = append(s.Faults, fmt.Sprintf("%s differ in %d runs", c.Kind, len(c.Unexcused)))
		}
	}
	s.Faults = append(s.Faults, excuseFaults(outcomes, s.Counts)...)
	if n := excusedCases(outcomes); n > MaxExcused {
		s.Faults = append(s.Faults, fmt.Sprintf("%d cases have excuses, at most %d may", n, MaxExcused))
	}
	return s
}

// excusedCases returns the number of cases that have an excuse of any kind.
func excusedCases(outcomes []Outcome) int {
	names := map[string]bool{}
	for _, o := range outcomes {
		if len(o.Case.Differs) > 0 {
			names[o.Case.Name] = true
		}
	}
	return len(names)
}

func count(kind Kind, outcomes []Outcome) Count {
	c := Count{Kind: kind, unequal: map[string]bool{}, varied: map[string]bool{}}
	cases, excused := map[string]bool{}, map[string]bool{}
	for _, o := range outcomes {
		c.Runs++
		cases[o.Case.Name] = true
		if o.Varied[kind] {
			c.varied[o.Case.Name] = true
		}
		if _, differs := o.Diffs[kind]; !differs {
			c.EqualRuns++
			continue
		}
		c.unequal[o.Case.Name] = true
		if _, ok := o.Case.Excused(string(kind)); ok {
			excused[o.Case.Name] = true
		} else {
			c.Unexcused = append(c.Unexcused, o)
		}
	}
	c.Cases, c.EqualCases, c.Excused = len(cases), len(cases)-len(c.unequal), len(excused)
	return c
}

// excuseFaults returns errors for excuses of unknown kinds, and for excuses
// that no run of their case needs.
func excuseFaults(outcomes []Outcome, counts []Count) []string {
	var faults []string
	seen := map[string]bool{}
	for _, o := range outcomes {
		if seen[o.Case.Name] {
			continue
		}
		seen[o.Case.Name] = true
		for _, e := range o.Case.Differs {
			i := slices.IndexFunc(counts, func(c Count) bool { return string(c.Kind) == e.Kind })
			switch {
			case i < 0:
				faults = append(faults, fmt.Sprintf("%s: excuse for %q, which is no kind", o.Case.Name, e.Kind))
			case !counts[i].unequal[o.Case.Name] && !counts[i].varied[o.Case.Name]:
				faults = append(faults, fmt.Sprintf("%s: %s do not differ any more: drop the excuse", o.Case.Name, e.Kind))
			}
		}
	}
	return faults
}
