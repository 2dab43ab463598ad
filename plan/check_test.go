package plan

import (
	"testing"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// platformFor returns an arm64 platform: windows/arm64 if os is "windows", otherwise
// linux/arm64.
func platformFor(os string) *ocispecs.Platform {
	if os != "windows" {
		os = "linux"
	}
	return &ocispecs.Platform{OS: os, Architecture: "arm64"}
}

// checkPlan checks the invariants of a complete plan: consistent stage indexes, and
// bases, ranges and step names where they are required.
func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	for i, st := range p.Stages {
		if st.Index != i {
			t.Fatalf("stage %d has the index %d", i, st.Index)
		}
		for _, need := range stagesReadBy(st) {
			if p.Stages[need.Index] != need {
				t.Fatalf("stage %d reads a stage that is not in the plan", i)
			}
			if st.Reachable && !need.Reachable {
				t.Fatalf("stage %d is reachable, but a stage that it reads is not", i)
			}
		}
		if !st.Reachable {
			if len(st.Visits) > 0 {
				t.Fatalf("stage %d is evaluated, but not reachable", i)
			}
			continue
		}
		if st.Base == nil {
			t.Fatalf("stage %d has no base", i)
		}
		for _, v := range st.Visits {
			if v.Range.IsZero() || v.Range.File != p.Dockerfile.File.Source {
				t.Fatalf("a visit of stage %d has no range in the file", i)
			}
			if v.Step != nil && v.Step.Info().Name == "" {
				t.Fatalf("a step of stage %d has no name", i)
			}
		}
	}
}
