package answers

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testFinished returns a build whose step "RUN two" failed to hit the cache, with an export. It
// contains text that has a meaning in Markdown and HTML.
func testFinished() Finished {
	p := testPlan()
	p.Stages[1].Needs = append(p.Stages[1].Needs, &Need{From: "i0", Kind: NeedBase})
	inputs := func(v Vertex, list ...string) Vertex {
		v.Inputs = list
		return v
	}
	cached := vertex("d2", 12, 12)
	cached.Cached = true
	other := inputs(vertex("d4", 12, 14), "d1")
	other.Name = "[b 1/3] RUN echo `a` | tee </script><b> \x1b[2J*x*"
	blob, small := int64(40e6), int64(2e6)
	return Finished{
		Plan: p,
		Vertices: []Vertex{
			vertex("metadata", 9, 10), inputs(vertex("d1", 10, 12)), inputs(cached, "d1"), inputs(vertex("d3", 12, 15), "d2"), other,
			inputs(vertex("d5", 15, 16), "d4", "d3"), inputs(vertex("d6", 16, 17), "d5"), inputs(vertex("d7", 17, 18), "d6"), vertex("export", 18, 20),
			{Digest: "later", Name: "not started"},
		},
		Transfers: []*Transfer{{Source: "dockerfile", Bytes: 300, Milliseconds: 2}, {Source: "context", Bytes: 12e6, Milliseconds: 90}},
		Images: []*ReportImage{{Platform: "linux/amd64", Layers: []*ReportLayer{
			{CreatedBy: "/bin/sh -c #(nop) ADD x", Base: true, Blob: &blob},
			{CreatedBy: "RUN other # buildkit", Blob: &small, Files: &FilesSize{Files: 120, Bytes: 9e6, Largest: []PathSize{{"usr/lib", 100, 8e6}, {"a`|b", 1, 5e5}}}},
			{CreatedBy: "COPY --from=a / /", Files: &FilesSize{Files: 1, Bytes: 5, Unchanged: 5, Hidden: 7, Largest: []PathSize{}}},
			{Files: &FilesSize{Largest: []PathSize{}}},
		}}},
	}
}

// TestReport compares the report about a build in all formats with the files in testdata. UPDATE=1
// writes them.
func TestReport(t *testing.T) {
	for _, format := range []ReportFormat{ReportText, ReportMarkdown, ReportJSON, ReportHTML} {
		var b strings.Builder
		if err := NewReport(testFinished()).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", "report."+string(format))
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if err := NewReport(testFinished()).Write(&strings.Builder{}, "pdf"); err == nil {
		t.Error("a report in an unknown format has no error")
	}
}

// TestReportPath checks the critical path of builds, and the locations of its steps.
func TestReportPath(t *testing.T) {
	for _, tc := range []struct {
		about string
		edit  func(*Finished)
		want  string
	}{
		{"complete", func(*Finished) {}, "metadata 0+1, d1 1+2 Dockerfile:1, d3 3+3 Dockerfile:3, d5 6+1 Dockerfile:2, d6 7+1 Dockerfile:2, d7 8+1 Dockerfile:3, export 9+2"},
		{"without a plan", func(f *Finished) { f.Plan = nil }, "metadata 0+1, d1 1+2, d3 3+3, d5 6+1, d6 7+1, d7 8+1, export 9+2"},
		{"the other branch is longer", func(f *Finished) { f.Vertices[3].Completed = f.Vertices[3].Started }, "metadata 0+1, d1 1+2 Dockerfile:1, d4 3+2 Dockerfile:1, d5 6+1 Dockerfile:2, d6 7+1 Dockerfile:2, d7 8+1 Dockerfile:3, export 9+2"},
		{"canceled", func(f *Finished) {
			f.Failed = true
			f.Vertices = f.Vertices[:5]
			f.Vertices[3].Error, f.Vertices[4].Error = "exit code: 1", "context canceled"
		}, "metadata 0+1, d1 1+2 Dockerfile:1, d3 3+3 Dockerfile:3"},
		{"a cycle", func(f *Finished) { f.Vertices[1].Inputs = []string{"d7"} }, "metadata 0+1, d1 1+2 Dockerfile:1, d3 3+3 Dockerfile:3, d5 6+1 Dockerfile:2, d6 7+1 Dockerfile:2, d7 8+1 Dockerfile:3, export 9+2"},
		{"nothing", func(f *Finished) { f.Vertices = nil }, ""},
	} {
		f := testFinished()
		for i := range f.Vertices {
			f.Vertices[i].Name = f.Vertices[i].Digest
		}
		tc.edit(&f)
		r := NewReport(f)
		var got []string
		for _, i := range r.CriticalPath {
			s := r.Steps[i]
			line := strings.TrimSpace(strings.Join([]string{s.Name, secondsOf(s.Start) + "+" + secondsOf(s.Milliseconds), s.Location}, " "))
			got = append(got, line)
		}
		if strings.Join(got, ", ") != tc.want {
			t.Errorf("%s:\n%s\nwant\n%s", tc.about, strings.Join(got, ", "), tc.want)
		}
	}
}

// secondsOf formats full seconds, which are fewer than ten.
func secondsOf(m Milliseconds) string { return strconv.Itoa(int(m / 1000)) }

// TestReportUnknown checks that a report gives the reason for each part that it lacks.
func TestReportUnknown(t *testing.T) {
	for want, f := range map[string]Finished{
		"BuildKit does not report":       {Plan: testPlan(), Remote: true},
		"the build failed before it had": {Plan: testPlan(), Remote: true, Failed: true},
		"has not read the files":         {Plan: testPlan()},
		"another frontend":               {Images: []*ReportImage{}},
	} {
		r := NewReport(f)
		if len(r.Unknown) != 1 || !strings.Contains(r.Unknown[0], want) {
			t.Errorf("unknown: %q, want %q", r.Unknown, want)
		}
		for _, format := range []ReportFormat{ReportText, ReportMarkdown, ReportJSON, ReportHTML} {
			var b strings.Builder
			if err := r.Write(&b, format); err != nil || !strings.Contains(b.String(), want) {
				t.Errorf("%s: %v, no %q in\n%s", format, err, want, b.String())
			}
		}
	}
	if f := testFinished(); len(NewReport(f).Unknown) != 0 {
		t.Errorf("unknown: %q, want nothing", NewReport(f).Unknown)
	}
}

// TestReportLayers checks that layers have locations only if each belongs to one step.
func TestReportLayers(t *testing.T) {
	locations := func(edit func(*Finished)) []string {
		f := testFinished()
		edit(&f)
		var list []string
		for _, l := range NewReport(f).Images[0].Layers {
			list = append(list, l.Location)
		}
		return list
	}
	for _, tc := range []struct {
		about string
		edit  func(*Finished)
		want  []string
	}{
		{"one for each step", func(*Finished) {}, []string{"", "Dockerfile:1", "Dockerfile:2", "Dockerfile:3"}},
		{"another platform", func(f *Finished) { f.Images[0].Platform = "linux/arm64" }, []string{"", "", "", ""}},
		{"a further layer", func(f *Finished) { f.Images[0].Layers = append(f.Images[0].Layers, &ReportLayer{}) }, []string{"", "", "", "", ""}},
		{"based on another stage", func(f *Finished) {
			f.Plan.Stages[1].Needs = []*Need{{From: "s0", Kind: NeedBase}}
			f.Images[0].Layers = slices.Insert(f.Images[0].Layers, 1, &ReportLayer{}, &ReportLayer{})
		}, []string{"", "Dockerfile:2", "Dockerfile:3", "Dockerfile:1", "Dockerfile:2", "Dockerfile:3"}},
	} {
		if got := locations(tc.edit); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.about, got, tc.want)
		}
	}
}

// TestReportLoadsNothing checks that the page of a report refers to nothing outside of it, and that
// text from the build cannot become a part of its code.
func TestReportLoadsNothing(t *testing.T) {
	const hostile = `</code></style><script>alert("1")</script><img src=x onerror=alert(1)>` + "\x1b[2J'\"\n"
	f := testFinished()
	f.Plan.Target, f.Plan.Files[0] = hostile, hostile
	for i := range f.Vertices {
		f.Vertices[i].Name = hostile
	}
	for _, l := range f.Images[0].Layers {
		l.CreatedBy, l.Files = hostile, &FilesSize{Largest: []PathSize{{hostile, 1, 1}}}
	}
	f.Transfers[0].Source = hostile
	for _, format := range []ReportFormat{ReportHTML, ReportText, ReportMarkdown} {
		var b strings.Builder
		if err := NewReport(f).Write(&b, format); err != nil {
			t.Fatal(err)
		}
		bad := []string{"\x1b", "'\"\n"}
		if format == ReportHTML {
			bad = append(bad, "http:", "https:", "<img", "<script", "@import", "url(")
		}
		for _, s := range bad {
			if strings.Contains(b.String(), s) {
				t.Errorf("%s contains %q:\n%s", format, s, b.String())
			}
		}
	}
}
