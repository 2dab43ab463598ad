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

// upstreamRuns is the number of times that upstream's frontend runs to show all of its possible
// results with near certainty. Where upstream iterates over a map, two or three results are
// possible. A result can be rare: Go starts only one of eight iterations over a map with two
// entries at the second entry.
const upstreamRuns = 200

// MaxExcused is the maximum number of cases that may declare intended differences.
const MaxExcused = 10

// Outcome is the result of comparing the frontends on one case, for one value of the frontend
// option "platform".
type Outcome struct {
	Case     *golden.Case
	Platform string
	Fails    bool // set if upstream's frontend returns an error
	Diffs    Differences
	Varied   map[Kind]bool // kinds in which our result equals only the result of a later run of upstream
	Class    *Class        // class that excuses the difference; nil for none

	random bool   // set for a generated build, whose differences a class may excuse
	kinds  []Kind // kinds to compare; nil for all
	runs   int    // maximum number of upstream's runs; 0 for upstreamRuns
	text   string // text of upstream's error; "" if upstream succeeds
}

// Judge compares two frontends on all cases: build is the frontend under test, and
// reference is the frontend whose results are correct. Judge returns the outcomes in the
// order of the cases and their platforms. At most concurrency builds run at the same time.
// It returns an error only if a case is malformed or ctx is done.
func Judge(ctx context.Context, reference, build gateway.BuildFunc, cases []*golden.Case, concurrency int) ([]Outcome, error) {
	var outcomes []Outcome
	for _, c := range cases {
		for _, p := range c.Platforms() {
			outcomes = append(outcomes, Outcome{Case: c, Platform: p})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
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
	o.Fails = theirs.Err != nil
	if o.Case.Refused != "" {
		o.Diffs = o.refusal(theirs)
		return nil
	}
	ours, err := Run(ctx, build, o.Case, o.Platform)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Case.Name, err)
	}
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
		again, err := corpus.Run(ctx, reference, o.Case, o.Platform, i%2*i) // every second run without a seed
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

// refusal returns the difference between the error of the reference and the error in the header of
// the case. A case with such a header uses something that only this project supports, so its
// results cannot be compared.
func (o *Outcome) refusal(theirs *Record) Differences {
	got := "no error"
	if theirs.Err != nil {
		got = theirs.Err.Error()
	}
	if diff := textDiff(o.Case.Refused, got); diff != "" {
		return Differences{ErrorText: diff}
	}
	return Differences{}
}

// classify sets the class of the outcome o to the class of acceptable differences that covers
// all differences between the two records, or to nil if no class does. It classifies only
// generated builds, because test cases in testdata declare acceptable differences in their
// headers.
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

// Count contains statistics for one kind of difference: how many runs and cases were compared,
// and in how many of them the results of the frontends are equal.
type Count struct {
	Kind              Kind
	Runs, EqualRuns   int
	Cases, EqualCases int
	Excused           int       // number of cases that differ with an excuse
	Unexcused         []Outcome // outcomes that differ without an excuse

	unequal, varied map[string]bool // names of cases
}

// Summary is the result of comparing all cases: statistics for each kind of difference, and the
// reasons why the comparison fails.
type Summary struct {
	Counts   []Count  // one element for each kind, in the order of [Kinds]
	Failures []string // reasons why the comparison fails; empty if it succeeds
}

// Summarize counts the equal and the different outcomes for each kind of difference. A
// difference that the headers of a case declare as intended does not make the comparison fail.
func Summarize(outcomes []Outcome) Summary {
	var s Summary
	for _, kind := range Kinds() {
		s.Counts = append(s.Counts, count(kind, outcomes))
	}
	for _, c := range s.Counts {
		if len(c.Unexcused) > 0 {
			s.Failures = append(s.Failures, fmt.Sprintf("%s differ in %d runs", c.Kind, len(c.Unexcused)))
		}
	}
	s.Failures = append(s.Failures, excuseFailures(outcomes, s.Counts)...)
	if n := excusedCases(outcomes); n > MaxExcused {
		s.Failures = append(s.Failures, fmt.Sprintf("%d cases have excuses, at most %d may", n, MaxExcused))
	}
	return s
}

// excusedCases returns the number of cases whose headers declare at least one intended
// difference.
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

// excuseFailures returns one error text for each difference that the header of a case declares
// but that does not occur: its kind is unknown, or no outcome of the case differs in this kind.
func excuseFailures(outcomes []Outcome, counts []Count) []string {
	var failures []string
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
				failures = append(failures, fmt.Sprintf("%s: excuse for %q, which is no kind", o.Case.Name, e.Kind))
			case !counts[i].unequal[o.Case.Name] && !counts[i].varied[o.Case.Name]:
				failures = append(failures, fmt.Sprintf("%s: %s do not differ any more: drop the excuse", o.Case.Name, e.Kind))
			}
		}
	}
	return failures
}
