package differential

import (
	"context"
	"slices"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"slipway/integration/generate"
)

// maxTrials is the maximum number of smaller variants that the shrinker tries for a generated
// build for which the frontends differ.
const maxTrials = 500

// trialRuns is the number of times that upstream's frontend runs for each smaller build that the
// shrinker tries. The larger number upstreamRuns would make shrinking too slow.
const trialRuns = 3

// shrinker reduces a generated build for which the frontends differ. It removes parts of the
// build as long as the frontends still differ.
type shrinker struct {
	ctx              context.Context
	reference, build gateway.BuildFunc
	found            Finding
	trials           int
}

func shrunk(ctx context.Context, reference, build gateway.BuildFunc, f Finding) *Finding {
	s := &shrinker{ctx: ctx, reference: reference, build: build, found: f}
	for before := 0; before != s.size(); {
		before = s.size()
		s.options()
		s.pieces(func(text string) []string { return strings.SplitAfter(text, "\n") })
		s.pieces(func(text string) []string { return strings.SplitAfter(text, " ") })
		if len(s.found.Small.Text) < 150 {
			s.pieces(func(text string) []string { return strings.Split(text, "") })
		}
	}
	// A trial with few runs may mistake upstream's randomness for a difference.
	if o, err := judgeBuild(ctx, reference, build, s.found.Small, upstreamRuns); err == nil && len(o.differing()) == 0 {
		return &f
	}
	return &s.found
}

func (s *shrinker) size() int {
	b := s.found.Small
	n := len(b.Text) + len(b.Worker) + len(b.Missing) + len(b.Platform)
	for key, v := range b.Opts {
		n += len(key) + len(v)
	}
	return n + len(b.Files)
}

// try runs both frontends on b, a smaller version of the build in the finding. It checks whether
// the results still differ in the aspect that the finding lists first, such as warnings. If they
// do, b becomes the build in the finding, and try returns true.
func (s *shrinker) try(b *generate.Build) bool {
	if s.trials++; s.trials > maxTrials || s.ctx.Err() != nil {
		return false
	}
	o, err := judgeBuild(s.ctx, s.reference, s.build, b, trialRuns)
	if err != nil {
		return false
	}
	kinds := o.differing()
	if !slices.Contains(kinds, s.found.Kinds[0]) {
		return false
	}
	s.found.Small, s.found.Diffs, s.found.Kinds = b, o.Diffs, kinds
	return true
}

// options removes as many frontend options and files from the build in the finding as possible.
// It undoes a removal unless the frontends still differ.
func (s *shrinker) options() {
	for _, key := range sortedKeys(s.found.Small.Opts) {
		b := s.found.Small.Clone()
		delete(b.Opts, key)
		s.try(b)
	}
	for _, name := range sortedKeys(s.found.Small.Files) {
		b := s.found.Small.Clone()
		delete(b.Files, name)
		s.try(b)
	}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if s.found.Small.Platform == "linux/amd64" {
			break
		}
		b := s.found.Small.Clone()
		b.Platform = p
		s.try(b)
	}
	b := s.found.Small.Clone()
	if b.Worker != nil {
		b.Worker = nil
		s.try(b)
	}
	for _, id := range s.found.Small.Missing {
		b := s.found.Small.Clone()
		b.Missing = slices.DeleteFunc(b.Missing, func(m string) bool { return m == id })
		s.try(b)
	}
}

// pieces tries to remove parts of the Dockerfile, large parts first. The parameter split is a
// function that splits a Dockerfile into the smallest parts that may be removed, such as lines.
func (s *shrinker) pieces(split func(string) []string) {
	for n := len(split(s.found.Small.Text)) / 2; n > 0; n /= 2 {
		for i := 0; ; {
			pieces := split(s.found.Small.Text)
			if i >= len(pieces) {
				break
			}
			b := s.found.Small.Clone()
			b.Text = strings.Join(slices.Delete(pieces, i, min(i+n, len(pieces))), "")
			if len(b.Text) == len(s.found.Small.Text) || !s.try(b) {
				i += n
			}
		}
	}
}
