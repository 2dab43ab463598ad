package answers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testPlan returns a plan of two stages: "a" has steps 1 to 3, and "b" copies from it.
func testPlan() *Plan {
	step := func(n int, text string, digests ...string) *Step {
		return &Step{N: n, Line: n, Kind: StepRun, Text: text, Progress: text, Operations: digests, Definition: text, Key: text, Cache: CacheUnknown, Source: []string{text}}
	}
	a := &Stage{ID: "s0", Name: "a", For: "linux/amd64", Line: 1, Reachable: true, Needs: []*Need{{From: "i0", Kind: NeedBase}}}
	a.Steps = []*Step{step(1, "FROM x", "d1"), step(2, "RUN one", "d2"), step(3, "RUN two", "d3")}
	a.Steps[0].Kind = StepPull
	b := &Stage{ID: "s1", Name: "b", For: "linux/amd64", Line: 5, Reachable: true, Target: true, Needs: []*Need{{From: "s0", Kind: NeedCopy, Steps: []int{2}}}}
	b.Steps = []*Step{step(1, "RUN other", "d4"), step(2, "COPY --from=a / /", "d5", "d6"), step(3, "RUN last", "d7")}
	b.Steps[1].Reads = []*Read{{From: "s0", Paths: []string{"."}}}
	return &Plan{
		Version: Version, Target: "b", Platforms: []string{"linux/amd64"}, Files: []string{"Dockerfile"}, Stages: []*Stage{a, b},
		Sources: []*Source{{ID: "i0", Kind: SourceImage, Ref: "x"}},
	}
}

// vertex returns a vertex that ran from one second to another. A negative end means that it has not
// ended.
func vertex(d string, from, to int) Vertex {
	v := Vertex{Digest: d, Name: "name of " + d, Started: time.Unix(int64(from), 0)}
	if to >= 0 {
		v.Completed = time.Unix(int64(to), 0)
	}
	return v
}

// TestRecord checks the outcomes, the times and the critical path of finished builds.
func TestRecord(t *testing.T) {
	cached, failed, canceled := vertex("d1", 10, 10), vertex("d7", 19, 20), vertex("d4", 10, 20)
	cached.Cached, failed.Error, canceled.Error = true, "exit code: 1", "process: context canceled"
	renamed := vertex("other", 12, 15)
	renamed.Name = "RUN two"
	for _, tc := range []struct {
		about    string
		vertices []Vertex
		want     string
	}{
		{
			"complete",
			[]Vertex{cached, vertex("d2", 10, 12), vertex("d3", 12, 15), vertex("d4", 10, 14), vertex("d5", 15, 16), vertex("d6", 16, 17), vertex("d7", 17, 18)},
			`a 1 hit cached 0-0
a 2 miss executed 0-2 critical
a 3 miss executed 2-5 critical
b 1 miss executed 0-4
b 2 miss executed 5-7 critical
b 3 miss executed 7-8 critical
`,
		},
		{
			"failed",
			[]Vertex{cached, vertex("d2", 10, 12), renamed, canceled, vertex("d5", 15, 19), failed},
			`a 1 hit cached 0-0
a 2 miss executed 0-2 critical
a 3 miss executed 2-5 critical
b 1 miss canceled 0-10
b 2 miss executed 5-9 critical
b 3 miss failed 9-10 critical
`,
		},
		{
			"stopped",
			[]Vertex{cached, vertex("d2", 10, -1)},
			`a 1 hit cached 0-0
a 2 miss canceled 0-0
a 3 unknown skipped 0-0
b 1 unknown skipped 0-0
b 2 unknown skipped 0-0
b 3 unknown skipped 0-0
`,
		},
	} {
		p := testPlan()
		p.Record(tc.vertices)
		var got strings.Builder
		for _, s := range p.Stages {
			for _, x := range s.Steps {
				fmt.Fprintf(&got, "%s %d %s %s %.0f-%.0f", s.Name, x.N, x.Cache, x.Run.Outcome, x.Run.Start.Seconds(), x.Run.End.Seconds())
				if x.Run.Critical {
					got.WriteString(" critical")
				}
				got.WriteByte('\n')
			}
		}
		if diff := cmp.Diff(tc.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.about, diff)
		}
	}
}

// TestTimeline checks that the page of a finished build has a bar for each step that started, and
// that a plan without a build has no timeline.
func TestTimeline(t *testing.T) {
	page := func(p *Plan) string {
		var b strings.Builder
		if err := p.WriteGraph(&b, HTML); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	p := testPlan()
	if strings.Contains(page(p), `id="timeline"`) {
		t.Error("a plan has a timeline")
	}
	failed := vertex("d2", 12, 14)
	failed.Error = "exit code: 1"
	p.Record([]Vertex{vertex("d1", 10, 12), failed})
	got := page(p)
	for _, want := range []string{
		`id="timeline"`, `<div class="bar executed" style="left:0.00%;width:50.00%">`, `<div class="bar failed" style="left:50.00%;width:50.00%">`,
		`<li class="failed" id="s0-2">`, "failed after 2.00 s", "the critical path, took 4.00 s of it", `<td class="time">skipped</td>`, "</i>failed: 1<",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Count(got, `<div class="bar `) != 2 {
		t.Errorf("the page has %d bars, want 2", strings.Count(got, `<div class="bar `))
	}
}

// TestPageLoadsNothing checks that the page refers to nothing outside of it, and that text from the
// Dockerfile cannot become part of the page's code.
func TestPageLoadsNothing(t *testing.T) {
	p := testPlan()
	const hostile = `</script><script>alert("1")</script><img src=x onerror=alert(1)>` + "\x1b[2J'\""
	for _, s := range p.Stages {
		s.Name, s.Base = hostile, hostile
		for _, x := range s.Steps {
			x.Text, x.Source = hostile, []string{hostile}
		}
	}
	p.Files[0], p.Target, p.Sources[0].Ref = hostile, hostile, hostile
	for _, f := range []Format{HTML, SVG} {
		var b strings.Builder
		if err := p.WriteGraph(&b, f); err != nil {
			t.Fatal(err)
		}
		page := strings.ReplaceAll(b.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
		for _, bad := range []string{"http:", "https:", "//", "<img", "alert(\"", "</script><script", "\x1b", "@import", "url(x", "src="} {
			if n := strings.Index(strings.ReplaceAll(page, "src=x", ""), bad); n >= 0 {
				t.Errorf("%s contains %q: …%s…", f, bad, page[max(0, n-60):min(len(page), n+60)])
			}
		}
	}
}
