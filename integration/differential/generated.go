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

// Span is a range of generated builds.
type Span struct {
	Seed, First, Count uint64
	Findings           int // maximum number of findings before giving up
}

// Tally is the result of a span.
type Tally struct {
	Span     Span
	Fails    int            // builds that fail upstream
	Errors   map[string]int // builds by text of the error, without names and numbers
	Excused  map[string]int // builds by name of the [Class]
	Findings []Finding      // builds that differ, by number
}

// Finding is a generated build that differs.
type Finding struct {
	Number uint64
	Kinds  []Kind
	Diffs  Differences     // differences of the small build
	Small  *generate.Build // a small build that differs in the same kind
}

// JudgeGenerated compares generated builds in the same way in which [Judge] compares
// cases, and shrinks each build that differs. It runs up to atOnce builds concurrently.
func JudgeGenerated(ctx context.Context, reference, build gateway.BuildFunc, span Span, atOnce int) (*Tally, error) {
	t := &Tally{Span: span, Errors: map[string]int{}, Excused: map[string]int{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
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
		// Upstream never returns for ONBUILD triggers that need their own
		// image, so it is not run if we reject them.
		ours, err := Run(ctx, build, c, b.Platform)
		if err != nil {
			return nil, err
		}
		if ours.Err != nil && strings.Contains(ours.Err.Error(), "need that image again, without end") {
			o.Fails, o.text, o.Class = true, ours.Err.Error(), &Class{Name: "never ends", Why: "upstream resolves images of endless triggers forever"}
			return o, nil
		}
	}
	return o, o.judge(ctx, reference, build)
}

// differing returns the kinds that must be equal but differ without an excuse.
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

// template returns an error text without the parts that are specific to one
// file.
func template(text string) string {
	first, _, _ := strings.Cut(text, "\n")
	return particulars.ReplaceAllString(first, "…")
}

// Write prints the builds that differ, as archives for the corpus with their
// differences, and a summary line.
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

// diffLines is the maximum number of printed lines of a difference.
const diffLines = 16
