//go:build integration

package clients

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/integration/rig"
)

const answered = `
-- Dockerfile --
# syntax=FRONTEND
FROM busybox AS build
COPY in /
RUN sleep 0.2 && cat /in > /out

FROM scratch AS unneeded
COPY in /

FROM scratch AS app
COPY --from=build /out /
-- in --
of the plan
`

// TestPlan checks that docker buildx build --call=plan and --call=graph print the steps and the
// graph of a build. BuildKit does not report cache states, and slipway serve does.
func TestPlan(t *testing.T) { onEachBuilder(t, testPlan) }

func testPlan(t *testing.T, d *rig.Daemon) {
	b := newBuildx(t, d)
	dir := writeArchive(t, answered)
	call := func(name string, more ...string) string {
		t.Helper()
		return b.run(t, dir, append(append([]string{"build", "--progress=quiet", "--call=" + name}, more...), ".")...)
	}
	caches := func() (list []string) {
		t.Helper()
		var plan struct {
			Stages []struct{ Steps []struct{ Cache string } }
		}
		if err := json.Unmarshal([]byte(call("plan,format=json")), &plan); err != nil {
			t.Fatal(err)
		}
		for _, s := range plan.Stages {
			for _, x := range s.Steps {
				list = append(list, x.Cache)
			}
		}
		return list[1:] // other tests pull the base, too
	}
	predicts := d != builder.Daemon
	before, after := caches(), []string(nil)
	b.run(t, dir, "build", "--output", "out", ".")
	after = caches()
	unknown := slices.Repeat([]string{"unknown"}, 3)
	want := [2][]string{unknown, unknown}
	if predicts {
		want = [2][]string{{"miss", "miss", "unknown"}, slices.Repeat([]string{"hit"}, 3)}
	}
	if diff := cmp.Diff(want, [2][]string{before, after}); diff != "" {
		t.Errorf("cache states before and after the build (-want +got):\n%s", diff)
	}
	for name, part := range map[string]string{
		"plan": "build 3", "graph": "└── COPY build (Dockerfile:2", "graph.dot": "s0 -> s2 [style=dashed", "graph.mermaid": "s0 -.->|\"step 1\"| s2",
		"graph.svg": "<svg xmlns=", "graph.html": "<!doctype html>", "subrequests.describe": "graph.html",
	} {
		if out := call(name); !strings.Contains(out, part) {
			t.Errorf("--call=%s prints\n%s\nwant %s", name, out, part)
		}
	}
	checkRemoteGraph(t, d, dir)
	for call, want := range map[string]string{"graph.png": "unsupported request frontend.graph.png", "plan": `target stage "ap" could not be found (did you mean app?)`} {
		if out, err := b.runAny(t, dir, "build", "--progress=quiet", "--call="+call, "--target=ap", "."); err == nil || !strings.Contains(out, want) {
			t.Errorf("--call=%s --target=ap: error %v\n%s\nwant %s", call, err, out, want)
		}
	}
}

// checkRemoteGraph checks that slipway build --builder writes the timeline (--graph) and the report
// (--report) of a build by another builder.
func checkRemoteGraph(t *testing.T, d *rig.Daemon, dir string) {
	t.Helper()
	with, err := server() // has the program
	if err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(t.TempDir(), "graph.html")
	cmd := exec.CommandContext(t.Context(), filepath.Join(with.Dir, "slipway"), "build", "--progress", "plain", "--builder", d.Socket, "--no-cache-filter", "build", "--graph", page, "--report="+page+".json", dir)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`id="timeline"`, `<li class="never" id="s0-3">`, `<div class="bar executed"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the page of a build with --builder has no %s:\n%s", want, data)
		}
	}
	if data, err = os.ReadFile(page + ".json"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"sent": true`, `"source": "context"`, `"location": "Dockerfile:`, `"criticalPath": [`, "layers: BuildKit does not report"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("the report of a build with --builder has no %s:\n%s", want, data)
		}
	}
}

// TestGraphPage builds with slipway build --graph and opens the page in Chromium. It clicks a stage,
// reads its steps, filters them, and reads the timeline. The page must request nothing but itself.
func TestGraphPage(t *testing.T) {
	t.Parallel()
	d, err := server()
	if err != nil {
		t.Fatal(err)
	}
	dir := writeArchive(t, answered)
	page := filepath.Join(dir, "graph.html")
	cmd := exec.CommandContext(t.Context(), filepath.Join(d.Dir, "slipway"), "build", "--state", t.TempDir(), "--progress", "plain",
		"--mirror", "docker.io=http://"+builder.Addr, "--graph", page, "-o", filepath.Join(dir, "out"), dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if info, err := os.Stat(page); err != nil || info.Size() > 100<<10 {
		t.Fatalf("%v, or the page is larger than 100 KB", err)
	}
	c := openPage(t, "file://"+page)
	if got := c.visible("section.stage"); len(got) != 0 {
		t.Errorf("before a click, the page shows %q", got)
	}
	c.click(`a[data-node="s0"]`)
	if got := c.visible("section.stage h2"); !slices.Equal(got, []string{"build"}) {
		t.Errorf("a click shows the stages %q, want build", got)
	}
	got := c.visible("section.stage li pre")
	want := []string{"2 FROM busybox AS build", "3 COPY in /", "4 RUN sleep 0.2 && cat /in > /out"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps with their lines (-want +got):\n%s", diff)
	}
	if got := c.visible("li#s0-3 .state"); len(got) != 1 || !strings.HasPrefix(got[0], "ran for ") {
		t.Errorf("the state of the RUN is %q, want a duration", got)
	}
	c.click("#filter")
	c.call("Input.insertText", map[string]any{"text": "COPY dockerfile:10"}, nil)
	if got := c.visible("section.stage li code"); !slices.Equal(got, []string{"COPY --from=build /out /"}) {
		t.Errorf("the filter shows the steps %q", got)
	}
	rows := c.visible("#timeline tr .name")
	if want := []string{"build 1 FROM busybox AS build", "build 2 COPY in /", "build 3 RUN sleep 0.2 && cat /in > /out", "app 1 COPY --from=build /out /"}; !slices.Equal(rows, want) {
		t.Errorf("the timeline has the rows %q, want %q", rows, want)
	}
	if critical := c.visible("#timeline tr.critical .name"); !slices.Contains(critical, rows[2]) {
		t.Errorf("the critical path is %q, want the RUN in it", critical)
	}
	for _, url := range c.requests {
		if url != "file://"+page && url != "about:blank" {
			t.Errorf("the page requests %s", url)
		}
	}
}
