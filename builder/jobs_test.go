package builder

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"

	"slipway/internal/slowtest"
)

// TestJobs checks that at most Options.Jobs steps run concurrently.
func TestJobs(t *testing.T) {
	slowtest.Skip(t, "builds several times")
	var stages, last strings.Builder
	for i := range 12 {
		fmt.Fprintf(&stages, "FROM scratch AS s%d\nCOPY base /\nRUN cat /bin/sh > /%d\n", i, i)
		fmt.Fprintf(&last, "COPY --from=s%d /%d /\n", i, i)
	}
	for _, jobs := range []int{1, 3} {
		o := options(t, stages.String()+"FROM scratch\n"+last.String())
		o.Jobs = jobs
		running, most, ran := map[string]bool{}, 0, 0
		o.Status = func(s *client.SolveStatus) {
			for _, v := range s.Vertexes {
				if !strings.HasPrefix(v.Name, "[") || strings.HasPrefix(v.Name, "[internal]") || v.Cached || v.Started == nil {
					continue
				}
				if running[v.Name] = v.Completed == nil; !running[v.Name] {
					delete(running, v.Name)
					ran++
				}
				most = max(most, len(running))
			}
		}
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if most > jobs || ran == 0 {
			t.Errorf("Jobs %d: up to %d of %d steps run concurrently", jobs, most, ran)
		}
	}
}

// TestJobsDefault checks that the number of concurrent steps is not limited by default.
func TestJobsDefault(t *testing.T) {
	if o := (&Options{}); o.maxJobs() < 1<<31-1 {
		t.Errorf("without Options.Jobs %d steps run concurrently, want no limit", o.maxJobs())
	}
}
