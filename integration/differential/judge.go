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

// upstreamRuns is how often upstream runs to show all results that it can have.
// The places where it follows the order of a map have two or three results, but
// Go starts a map of two at the second of them only one time in eight.
const upstreamRuns = 200

// MaxExcused is how many cases may differ from upstream with an excuse.
const MaxExcused = 10

// Outcome is what came of one case for one value of the option platform.
type Outcome struct {
	Case     *golden.Case
	Platform string
	Fails    bool // upstream's frontend returns an error
	Diffs    Differences
	Varied   map[Kind]bool // ours equals another run of upstream than the first
	Class    *Class        // of the difference; nil without one

	random bool   // the build was made at random: classes excuse it
	kinds  []Kind // to compare; all if nil
	runs   int    // of upstream; upstreamRuns if 0
	text   string // of upstream's error
}

// Judge runs a frontend against a reference over cases, several at once, and
// returns the outcomes in the order of the cases and their platforms. It fails
// only on malformed cases, or when ctx is done.
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
		again, err := corpus.Run(ctx, reference, o.Case, o.Platform, i%2*i) // every other as they come
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

// classify finds the class of a difference where there may be one. A case of the
// corpus says itself how it may differ.
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

// Count is how a kind stands over a corpus.
type Count struct {
	Kind              Kind
	Runs, EqualRuns   int
	Cases, EqualCases int
	Excused           int       // cases that differ and may
	Unexcused         []Outcome // runs that differ and have no excuse

	unequal, varied map[string]bool // cases, by name
}

// Summary is the judgement over a corpus.
type Summary struct {
	Counts []Count  // one for each kind, in the order of [Kinds]
	Faults []string // why the run fails; empty if it does not
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

// excusedCases counts the cases that have an excuse, of whatever kind.
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

// excuseFaults finds excuses for kinds that there are not, and excuses that no
// run of their case needs.
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
