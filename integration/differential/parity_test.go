package differential

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/opencontainers/go-digest"

	"slipway/internal/golden"
	"slipway/internal/slowtest"
)

func parse(t *testing.T, archive string) *golden.Case {
	t.Helper()
	c, err := golden.Parse("lex/test", []byte("# a test\n"+archive))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRefused checks that a case with the header refused is only compared with this error of upstream.
func TestRefused(t *testing.T) {
	for archive, want := range map[string]int{
		"opts: requestid=frontend.plan\nrefused: unsupported request frontend.plan\n-- Dockerfile --\nFROM scratch\n": 0,
		"opts: requestid=frontend.plan\nrefused: unsupported request\n-- Dockerfile --\nFROM scratch\n":               1,
		"refused: unknown instruction\n-- Dockerfile --\nFROM scratch\n":                                              1,
	} {
		c := parse(t, "platforms: none\n"+archive)
		outcomes, err := Judge(t.Context(), Upstream(), Ours(), []*golden.Case{c}, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(outcomes[0].Diffs); got != want {
			t.Errorf("%s: %d differences, want %d: %v", archive, got, want, outcomes[0].Diffs)
		}
	}
}

// TestParity checks that our frontend and upstream's return the same results for the
// corpus, the test cases in testdata. `make parity` makes the same comparison.
func TestParity(t *testing.T) {
	slowtest.Skip(t, "compares thousands of inputs")
	outcomes, err := Judge(t.Context(), Upstream(), Ours(), golden.Cases(t), runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	s := Summarize(outcomes)
	if len(s.Failures) == 0 {
		return
	}
	var b strings.Builder
	if err := Report(&b, s, ReportOptions{MaxDiffs: 5, Lines: 20}); err != nil {
		t.Fatal(err)
	}
	t.Error(b.String())
}

// TestUpstreamEqualsItself checks that comparing upstream's frontend with itself finds no
// difference.
func TestUpstreamEqualsItself(t *testing.T) {
	slowtest.Skip(t, "compares thousands of inputs")
	outcomes, err := Judge(t.Context(), Upstream(), Upstream(), golden.Cases(t), runtime.GOMAXPROCS(0))
	if err != nil {
		t.Fatal(err)
	}
	builds := 0
	for _, o := range outcomes {
		for kind, diff := range o.Diffs {
			t.Errorf("%s for %q: %s\n%s", o.Case.Name, o.Platform, kind, diff)
		}
		if !o.Fails {
			builds++
		}
	}
	if builds < len(outcomes)/2 {
		t.Errorf("only %d of %d builds do not fail: the client is wrong", builds, len(outcomes))
	}
}

func TestTooManyExcuses(t *testing.T) {
	for n, fault := range map[int]bool{MaxExcused: false, MaxExcused + 1: true} {
		var outcomes []Outcome
		for i := range n {
			c, err := golden.Parse(fmt.Sprintf("lex/excused-%d", i), []byte("# a test\ndiffers: operations: better\n"))
			if err != nil {
				t.Fatal(err)
			}
			outcomes = append(outcomes, Outcome{Case: c, Diffs: Differences{Operations: "-a\n+b\n"}})
		}
		if s := Summarize(outcomes); (len(s.Failures) > 0) != fault {
			t.Errorf("%d excuses: failures %q", n, s.Failures)
		}
	}
}

// modifyingClient is a gateway client that modifies the requests and results of a frontend.
type modifyingClient struct {
	gateway.Client
	opts         map[string]string // replace options of the build
	solve        func(*gateway.SolveRequest)
	dropWarnings bool // warnings do not reach the builder
}

func (m *modifyingClient) BuildOpts() gateway.BuildOpts {
	o := m.Client.BuildOpts()
	o.Opts = maps.Clone(o.Opts)
	maps.Copy(o.Opts, m.opts)
	return o
}

func (m *modifyingClient) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if m.solve != nil {
		m.solve(&req)
	}
	return m.Client.Solve(ctx, req)
}

func (m *modifyingClient) Warn(ctx context.Context, d digest.Digest, s string, o gateway.WarnOpts) error {
	if m.dropWarnings {
		return nil
	}
	return m.Client.Warn(ctx, d, s, o)
}

func meddled(m modifyingClient) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		m := m
		m.Client = c
		return Upstream()(ctx, &m)
	}
}

const goodCase = "opts: filename=Dockerfile\n-- Dockerfile --\nFROM alpine\nARG A=1\nRUN echo $A\nMAINTAINER me\n"

const badCase = "-- Dockerfile --\nFROM alpine\nCOPY a\n"

// TestEveryKindIsSeen modifies upstream's requests or results and checks that the comparison
// finds a difference of each kind. Without a modification, the comparison must find no
// difference.
func TestEveryKindIsSeen(t *testing.T) {
	tests := []struct {
		name, archive string
		build         gateway.BuildFunc
		want          []Kind
	}{
		{"nothing", goodCase, meddled(modifyingClient{}), nil},
		{"nothing of an error", badCase, meddled(modifyingClient{}), nil},
		{"build-arg", goodCase, meddled(modifyingClient{opts: map[string]string{"build-arg:A": "2"}}), []Kind{Operations, OpMetadata, ResultMetadata}},
		{"label", goodCase, meddled(modifyingClient{opts: map[string]string{"label:a": "b"}}), []Kind{ResultMetadata}},
		{"no-cache", goodCase, meddled(modifyingClient{opts: map[string]string{"no-cache": ""}}), []Kind{OpMetadata}},
		{"locations", goodCase, meddled(modifyingClient{solve: func(r *gateway.SolveRequest) {
			for _, l := range r.Definition.Source.GetLocations() {
				l.Locations = nil
			}
		}}), []Kind{Locations}},
		{"warnings", goodCase, meddled(modifyingClient{dropWarnings: true}), []Kind{Warnings}},
		{"error text", badCase, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			_, err := Upstream()(ctx, c)
			return nil, errdefs.WithSource(errors.New("other"), errdefs.Sources(err)[0])
		}, []Kind{ErrorText}},
		{"error locations", badCase, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			_, err := Upstream()(ctx, c)
			return nil, errors.New(err.Error())
		}, []Kind{ErrorLocations}},
		{"requests", goodCase, func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
			def, err := llb.Image("alpine").Marshal(ctx)
			if err != nil {
				return nil, err
			}
			if _, err := c.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB()}); err != nil {
				return nil, err
			}
			return Upstream()(ctx, c)
		}, []Kind{Requests}},
		{
			"panic", goodCase, func(context.Context, gateway.Client) (*gateway.Result, error) { panic("no") },
			[]Kind{Operations, OpMetadata, Locations, ResultMetadata, Warnings, ErrorText},
		},
	}
	for _, tt := range tests {
		c := parse(t, tt.archive)
		for _, platform := range c.Platforms() {
			// Upstream has one result for these cases: a second run of it is enough.
			o := Outcome{Case: c, Platform: platform, runs: 2}
			if err := o.judge(t.Context(), Upstream(), tt.build); err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			var got []Kind
			for _, kind := range Kinds() {
				if _, ok := o.Diffs[kind]; ok {
					got = append(got, kind)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s for %q: %q differ, want %q", tt.name, o.Platform, got, tt.want)
			}
		}
	}
}

func TestSummarize(t *testing.T) {
	differs := Differences{Operations: "-a\n+b\n"}
	tests := []struct {
		name, archive string
		outcome       Outcome
		want          string // expected failure; "" if the comparison must succeed
	}{
		{"equal", "", Outcome{}, ""},
		{"different", "", Outcome{Diffs: differs}, "operations differ in 1 runs"},
		{"excused", "differs: operations: better\n", Outcome{Diffs: differs}, ""},
		{"excused otherwise", "differs: warnings: better\n", Outcome{Diffs: differs}, "operations differ in 1 runs"},
		{"not needed", "differs: operations: better\n", Outcome{}, "drop the excuse"},
		{"needed at times", "differs: operations: better\n", Outcome{Varied: map[Kind]bool{Operations: true}}, ""},
		{"no kind", "differs: weather: better\n", Outcome{}, "which is no kind"},
	}
	for _, tt := range tests {
		tt.outcome.Case = parse(t, tt.archive)
		s := Summarize([]Outcome{tt.outcome})
		got := strings.Join(s.Failures, "\n")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: failure %q, want …%s…", tt.name, got, tt.want)
		}
		var b strings.Builder
		if err := Report(&b, s, ReportOptions{}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.want != "" && !strings.Contains(b.String(), "FAIL: ") {
			t.Errorf("%s: the report does not say that it fails:\n%s", tt.name, &b)
		}
	}
}
