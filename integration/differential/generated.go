package differential

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"golang.org/x/sync/errgroup"

	"slipway/integration/generate"
)

// Span selects consecutive generated builds by their numbers.
type Span struct {
	Seed, First, Count uint64
	Findings           int // number of differing builds after which the run ends early
}

// Tally is the result of comparing the frontends on the generated builds of a span.
type Tally struct {
	Span     Span
	Fails    int            // number of builds that fail with upstream
	Errors   map[string]int // number of builds by error text, without names and numbers
	Excused  map[string]int // number of builds by [Class.Name]
	Findings []Finding      // builds that differ without an excuse, sorted by number
}

// Finding is a generated build for which the results of the two frontends differ.
type Finding struct {
	Number uint64
	Kinds  []Kind
	Diffs  Differences     // differences for Small
	Small  *generate.Build // reduced build for which the results differ in the same kind
}

// JudgeGenerated compares two frontends on generated builds, as [Judge] does on test cases. It
// shrinks each build that differs. At most concurrency builds run at the same time.
func JudgeGenerated(ctx context.Context, reference, build gateway.BuildFunc, span Span, concurrency int) (*Tally, error) {
	t := &Tally{Span: span, Errors: map[string]int{}, Excused: map[string]int{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for n := span.First; n < span.First+span.Count; n++ {
		g.Go(func() error {
			mu.Lock()
			enough := len(t.Findings) >= span.Findings
			mu.Unlock()
			if enough {
				return nil
			}
			b := generate.New(span.Seed, n)
			o, err := judgeBuild(ctx, reference, build, b, upstreamRuns)
			if err != nil {
				return fmt.Errorf("build %d of seed %d: %w", n, span.Seed, err)
			}
			var f *Finding
			if kinds := o.differing(); len(kinds) > 0 {
				f = shrunk(ctx, reference, build, Finding{Number: n, Kinds: kinds, Diffs: o.Diffs, Small: b})
			}
			mu.Lock()
			defer mu.Unlock()
			t.add(o, f)
			return nil
		})
	}
	err := g.Wait()
	slices.SortFunc(t.Findings, func(a, b Finding) int { return int(a.Number) - int(b.Number) })
	return t, err
}

func (t *Tally) add(o *Outcome, f *Finding) {
	if o.Fails {
		t.Fails++
		t.Errors[template(o.text)]++
	}
	if o.Class != nil {
		t.Excused[o.Class.Name]++
	}
	if f != nil {
		t.Findings = append(t.Findings, *f)
	}
}

func judgeBuild(ctx context.Context, reference, build gateway.BuildFunc, b *generate.Build, runs int) (*Outcome, error) {
	c, err := b.Case("error/generated")
	if err != nil {
		return nil, err
	}
	o := &Outcome{Case: c, Platform: b.Platform, random: true, kinds: Kinds(), runs: runs}
	if len(b.Files) > 0 {
		// If our frontend rejects ONBUILD triggers that need their own image, skip upstream:
		// it would never return.
		ours, err := Run(ctx, build, c, b.Platform)
		if err != nil {
			return nil, err
		}
		if ours.Err != nil && strings.Contains(ours.Err.Error(), "they depend on the image itself") {
			o.Fails, o.text, o.Class = true, ours.Err.Error(), &Class{Name: "never ends", Why: "upstream resolves images of endless triggers forever"}
			return o, nil
		}
	}
	return o, o.judge(ctx, reference, build)
}

// differing returns the kinds of differences between the frontends' results in the outcome o.
// If a class of acceptable differences covers all differences, it returns nil.
func (o *Outcome) differing() []Kind {
	if o.Class != nil {
		return nil
	}
	return slices.DeleteFunc(Kinds(), func(k Kind) bool {
		_, differs := o.Diffs[k]
		return !differs
	})
}

var particulars = regexp.MustCompile(`"[^"]*"|'[^']*'|[0-9]+|[^ ]*[/:$][^ ]*`)

// template returns the first line of an error text, without the names and numbers that are
// specific to one build.
func template(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return particulars.ReplaceAllString(first, "…")
}

// Write prints the builds that differ and a summary line. It prints each build in the format
// of the test cases in testdata, after the differences between the frontends.
func (t *Tally) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range t.Findings {
		fmt.Fprintf(&b, "generated build %d of seed %d, made small: %q differ (- upstream, + ours):\n", f.Number, t.Span.Seed, f.Kinds)
		for _, k := range f.Kinds {
			lines := strings.Split(strings.TrimSuffix(f.Diffs[k], "\n"), "\n")
			if len(lines) > diffLines {
				lines = excerpt(lines, diffLines)
			}
			fmt.Fprintf(&b, "  %s:\n    %s\n", k, strings.Join(lines, "\n    "))
		}
		b.Write(f.Small.Archive("Found by the generator"))
		b.WriteString("-- end --\n\n")
	}
	excused := 0
	for _, n := range t.Excused {
		excused += n
	}
	fmt.Fprintf(&b, "generated: %d builds of seed %d, %d convert, %d fail in %d ways; %d differ, %d excused",
		t.Span.Count, t.Span.Seed, int(t.Span.Count)-t.Fails, t.Fails, len(t.Errors), len(t.Findings), excused)
	for i, name := range sortedKeys(t.Excused) {
		fmt.Fprintf(&b, "%s%s %d", map[bool]string{true: ": ", false: ", "}[i == 0], name, t.Excused[name])
	}
	b.WriteByte('\n')
	_, err := io.WriteString(w, b.String())
	return err
}

// diffLines is the maximum number of lines of each diff that Write prints.
const diffLines = 16
