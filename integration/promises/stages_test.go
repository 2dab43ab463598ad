package promises

import (
	"runtime"
	"slices"
	"testing"

	"slipway/internal/slowtest"
)

// TestUnusedStages checks that a build does not execute a stage that the target does not need,
// does not read its files and does not resolve its base image.
func TestUnusedStages(t *testing.T) {
	m := newMachine(t, map[string]string{"a": "x"})
	m.mustBuild(`FROM does.not.exist.invalid/image AS no-base
RUN exit 1
FROM scratch AS no-file
COPY none /
FROM scratch AS no-success
COPY base /
RUN exit 1
FROM scratch AS mounted
COPY --from=no-success / /
FROM scratch
COPY a /
`)
	if got, want := m.executedSteps(), []string{"[stage-4 1/1] COPY a /"}; !slices.Equal(got, want) {
		t.Errorf("steps %q ran, want %q", got, want)
	}
}

// TestOverlap checks that independent stages run concurrently even on one CPU, and that
// dependent steps run in order.
func TestOverlap(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const stages = "FROM scratch AS base\nCOPY base /\n" +
		"FROM base AS a\nRUN sleep 0.5 && echo a > /a\n" +
		"FROM base AS b\nRUN sleep 0.5 && echo b > /b\n" +
		"FROM base\n"
	for _, use := range []string{
		"COPY --from=a /a /\nCOPY --from=b /b /\nRUN sleep 0.1 && cat /a /b > /c\n",
		"RUN --mount=from=a,target=/x --mount=from=b,target=/y sleep 0.1 && cat /x/a /y/b > /c\n",
	} {
		m := newMachine(t, nil)
		m.mustBuild(stages + use)
		a, b, last := m.step("&& echo a"), m.step("&& echo b"), m.step("> /c")
		if !a.start.Before(b.end) || !b.start.Before(a.end) {
			t.Errorf("%sindependent steps did not overlap: one from %v to %v, one from %v to %v", use, a.start, a.end, b.start, b.end)
		}
		for _, s := range []step{a, b} {
			if last.start.Before(s.end) {
				t.Errorf("%sa step began at %v, before one that it needs ended at %v", use, last.start, s.end)
			}
		}
	}
}
