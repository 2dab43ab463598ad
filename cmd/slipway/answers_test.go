package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway/answers"
	"slipway/internal/testcontext"
)

const answeredDockerfile = `FROM scratch AS base
COPY base /
FROM base AS build
ARG WHO=you
COPY a /
RUN cat a > /b; echo $WHO >> /b
FROM scratch AS docs
COPY none /
FROM base
COPY --from=build /b /
`

// TestPlan checks the output of slipway plan before and after a build, and after a change of a file
// and of a build argument.
func TestPlan(t *testing.T) {
	dir, state := testcontext.New(t, answeredDockerfile), t.TempDir()
	plan := func(args ...string) string {
		t.Helper()
		code, out, told := slipwayOut(t, append([]string{"plan", "--state", state, "--runner", "portable", "--progress", "quiet", dir}, args...)...)
		if code != 0 || told != "" {
			t.Fatalf("exit code %d, told %s", code, told)
		}
		_, rows, _ := strings.Cut(out, "\n") // the first line has the platform
		return rows
	}
	check := func(about, got string, states ...any) {
		t.Helper()
		for i := range states {
			states[i] = fmt.Sprintf("%-*s", width(states), states[i])
		}
		want := fmt.Sprintf(`base 1     COPY base /                      Dockerfile:2   %s  context: base
build 1    COPY a /                         Dockerfile:5   %s  context: a
build 2    RUN cat a > /b; echo $WHO >> /b  Dockerfile:6   %s  network
stage-3 1  COPY --from=build /b /           Dockerfile:10  %s  build: b
not needed: docs
context: 3 files, 8B · network: 1 RUN
`, states...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", about, diff)
		}
	}
	check("before a build", plan(), "runs", "runs", "runs", "unknown")
	if code, told := slipway(t, "build", "--state", state, "--runner", "portable", "--progress", "quiet", dir); code != 0 {
		t.Fatal(told)
	}
	check("after a build", plan(), "cached", "cached", "cached", "cached")
	check("another argument", plan("--build-arg", "WHO=me"), "cached", "cached", "runs", "unknown")
	check("no cache of a stage", plan("--no-cache-filter", "build"), "cached", "runs always", "runs always", "unknown")
	testcontext.Write(t, dir, map[string]string{"a": "changed\n"})
	check("another file", plan(), "cached", "runs", "runs", "unknown")
}

// width returns the length of the longest word.
func width(words []any) int {
	n := 0
	for _, w := range words {
		n = max(n, len(fmt.Sprint(w)))
	}
	return n
}

// TestAnswerErrors checks the errors of slipway plan, graph and diff.
func TestAnswerErrors(t *testing.T) {
	good, bad, none := testcontext.New(t, answeredDockerfile), testcontext.New(t, "FROM scratch\nCOPPY a b\n"), t.TempDir()
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"plan", exitUsage, "slipway: plan needs one CONTEXT, a directory, a URL or -, not 0\n"},
		{"graph --format dott " + good, exitUsage, `slipway: --format: unknown format "dott" (did you mean dot?)` + "\n"},
		{"plan --format svg " + good, exitUsage, `slipway: --format: unknown format "svg" (use text or json)` + "\n"},
		{"plan --output " + none + " " + good, exitUsage, `--output: "` + none + `" is a directory (name a file in it)`},
		{"graph --target bild " + good, exitFailed, `target stage "bild" could not be found (did you mean build?)`},
		{"graph " + none, exitFailed, "no Dockerfile " + none + "/Dockerfile (use -f)\n"},
		{"plan " + bad, exitFailed, bad + "/Dockerfile:2:1: error: dockerfile parse error on line 2: unknown instruction: COPPY (did you mean COPY?)\n"},
		{"plan --load " + good, exitUsage, "unknown flag: --load"},
		{"diff " + good, exitUsage, "slipway: diff needs two builds, OLD and NEW, not 1\n"},
		{"diff --format svg a b", exitUsage, `unknown format "svg" (use text or json)`},
		{"diff - " + good, exitUsage, "diff reads no standard input (name a directory or a Dockerfile)"},
		{"diff -f x " + good + "/Dockerfile " + good, exitUsage, "is a Dockerfile, and there is --file x (name one)"},
		{"diff nothing " + good, exitUsage, "nothing "},
		{"diff " + good + " " + bad, exitFailed, bad + "/Dockerfile:2:1: error: "},
		{"diff " + good + " " + none, exitFailed, "no Dockerfile " + none + "/Dockerfile (use -f)\n"},
	} {
		args := strings.Fields(tc.args)
		code, out, told := slipwayOut(t, append([]string{args[0], "--state", filepath.Join(none, "state"), "--runner", "portable", "--progress", "quiet"}, args[1:]...)...)
		if code != tc.code || out != "" || !strings.Contains(told, tc.want) {
			t.Errorf("%s: exit code %d, want %d; output %q, told\n%s\nwant %s", tc.args, code, tc.code, out, told, tc.want)
		}
	}
}

// TestGraphFormats checks that slipway graph and slipway build --call=graph print each format, and
// write it to a file.
func TestGraphFormats(t *testing.T) {
	dir, state, file := testcontext.New(t, answeredDockerfile), t.TempDir(), filepath.Join(t.TempDir(), "graph")
	for format, want := range map[string]string{
		"text": "stage-3 (Dockerfile:9, 1 step, 0 cached)\n", "json": "{\n  \"version\": 1,", "dot": "digraph build {", "mermaid": "flowchart LR\n", "svg": "<svg xmlns=", "html": "<!doctype html>",
	} {
		flags := []string{"--state", state, "--runner", "portable", "--progress", "quiet"}
		_, out, _ := slipwayOut(t, slices.Concat([]string{"graph", "--format", format}, flags, []string{dir})...)
		if !strings.HasPrefix(out, want) {
			t.Errorf("%s: %s\nwant %s", format, out, want)
		}
		if _, called, _ := slipwayOut(t, slices.Concat([]string{"build", "--call=graph,format=" + format}, flags, []string{dir})...); called != out {
			t.Errorf("%s: --call prints\n%s\nwant\n%s", format, called, out)
		}
		code, told := slipway(t, slices.Concat([]string{"graph", "--format", format, "-o", file}, flags, []string{dir})...)
		if data, err := os.ReadFile(file); err != nil || string(data) != out || code != 0 {
			t.Errorf("%s: exit code %d, %s, file %q, %v", format, code, told, data, err)
		}
	}
}

// TestBuildGraph checks that slipway build --graph writes a page with the timeline, even if a step
// fails, and none if the Dockerfile is invalid.
func TestBuildGraph(t *testing.T) {
	page := filepath.Join(t.TempDir(), "graph.html")
	build := func(dockerfile string, flags ...string) (int, string) {
		t.Helper()
		args := append([]string{"build", "--state", t.TempDir(), "--runner", "portable", "--progress", "quiet", "--graph", page}, flags...)
		return slipway(t, append(args, testcontext.New(t, dockerfile))...)
	}
	if code, told := build("FROM scratch\nCOPPY a /\n"); code != exitFailed {
		t.Errorf("an invalid Dockerfile: exit code %d, %s", code, told)
	}
	if _, err := os.Stat(page); !os.IsNotExist(err) {
		t.Errorf("an invalid Dockerfile has a page: %v", err)
	}
	for _, tc := range []struct {
		dockerfile string
		code       int
		want       []string
	}{
		{answeredDockerfile, 0, []string{`id="timeline"`, `<li class="miss" id="s1-2">`, `<div class="bar executed"`, "ran for "}},
		{"FROM scratch\nCOPY base /\nRUN exit 3\nRUN last\n", exitFailed, []string{`<li class="failed" id="s0-2">`, `<td class="time">skipped</td>`}},
	} {
		code, told := build(tc.dockerfile)
		data, err := os.ReadFile(page)
		if err != nil || code != tc.code {
			t.Errorf("exit code %d, want %d: %v, %s", code, tc.code, err, told)
		}
		for _, want := range tc.want {
			if !strings.Contains(string(data), want) {
				t.Errorf("the page has no %s", want)
			}
		}
	}
	if code, told := build("FROM scratch\n", "--graph", filepath.Join(page, "x")); code != exitUsage || !strings.Contains(told, "--graph: ") {
		t.Errorf("a file in a file: exit code %d, %s", code, told)
	}
}

// TestDiff checks slipway diff of two directories and of two revisions of a git repository.
func TestDiff(t *testing.T) {
	dir, state := testcontext.New(t, answeredDockerfile), t.TempDir()
	t.Chdir(dir)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	testcontext.Write(t, dir, map[string]string{"a": "changed\n", "Other": strings.Replace(answeredDockerfile, "ARG WHO=you", "ARG WHO=me", 1)})
	diff := func(args ...string) (int, string) {
		t.Helper()
		code, out, told := slipwayOut(t, append([]string{"diff", "--state", state, "--runner", "portable", "--progress", "quiet"}, args...)...)
		if told != "" {
			t.Errorf("%q told %s", args, told)
		}
		return code, out
	}
	const changed = `build 1    ~ COPY a /                         Dockerfile:5   changed: the files that it reads
build 2    > RUN cat a > /b; echo $WHO >> /b  Dockerfile:6   rebuilt: build 1
stage-3 1  > COPY --from=build /b /           Dockerfile:10  rebuilt: build 2
3 of 4 steps rebuild
`
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{". .", 0, "no difference in 4 steps\n"},
		{"HEAD main:Dockerfile", 0, "no difference in 4 steps\n"},
		{"HEAD .", 1, changed},
		{"HEAD:./Dockerfile Dockerfile", 1, changed},
		{"--target base HEAD .", 0, "no difference in 1 step\n"},
		{"Dockerfile Other", 1, `build 2    ~ RUN cat a > /b; echo $WHO >> /b  Other:6   changed: WHO is now "me", was "you"
stage-3 1  > COPY --from=build /b /           Other:10  rebuilt: build 2
2 of 4 steps rebuild
`},
	} {
		if code, out := diff(strings.Fields(tc.args)...); code != tc.code || out != tc.want {
			t.Errorf("%s: exit code %d, want %d (-want +got):\n%s", tc.args, code, tc.code, cmp.Diff(tc.want, out))
		}
	}
	code, out := diff("--format", "json", "HEAD", ".")
	var d answers.Diff
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 1 || d.Rebuilt != 3 || d.Total != 4 {
		t.Errorf("exit code %d, %v, %s", code, err, out)
	}
	testcontext.Write(t, dir, map[string]string{"Dockerfile": "FROM scratch\nCOPPY a /\n"})
	git("commit", "-q", "-a", "-m", "second")
	if code, _, told := slipwayOut(t, "diff", "--state", state, "--progress", "quiet", "HEAD~1", "HEAD"); code != exitFailed || !strings.HasPrefix(told, "HEAD:Dockerfile:2:1: error: ") {
		t.Errorf("an invalid Dockerfile: exit code %d, %s", code, told)
	}
	for name, want := range map[string]string{"nothing": "nothing is neither a file, a directory, a URL nor a revision of the git repository here", "HEAD:none": "HEAD:none: the revision has no none", "HEAD:../x": "is outside of the repository"} {
		if code, _, told := slipwayOut(t, "diff", "--state", state, name, "."); code != exitUsage || !strings.Contains(told, want) {
			t.Errorf("%s: exit code %d, %s", name, code, told)
		}
	}
}

// TestCompleteAnswers checks the shell completion of slipway plan, graph and diff.
func TestCompleteAnswers(t *testing.T) {
	dir := testcontext.New(t, answeredDockerfile)
	for words, want := range map[string]string{
		"plan --format ":              "text|json|:4",
		"graph --format ":             "text|json|dot|mermaid|svg|html|:4",
		"graph --output ":             ":0",
		"graph " + dir + " --target ": "base\tFROM scratch|build\tFROM base|docs\tFROM scratch|:4",
		"diff --format ":              "text|json|:4",
		"plan ":                       ":16",
		"diff ":                       ":0",
		"gra":                         "graph\tDraw the graph of a build: its stages and what they read|:4",
	} {
		args := append([]string{"__complete"}, strings.Split(words, " ")...)
		if _, out, _ := slipwayOut(t, args...); strings.ReplaceAll(strings.TrimSpace(out), "\n", "|") != want {
			t.Errorf("%s: %q, want %q", words, out, want)
		}
	}
}

// TestBuildReport checks that slipway build --report writes a report in each format, also if a step
// fails, and that nothing is left if the report cannot be written.
func TestBuildReport(t *testing.T) {
	dir := t.TempDir()
	build := func(dockerfile string, flags ...string) (int, string) {
		t.Helper()
		args := append([]string{"build", "--state", filepath.Join(dir, "state"), "--runner", "portable", "--progress", "quiet"}, flags...)
		return slipway(t, append(args, testcontext.New(t, dockerfile))...)
	}
	for format, want := range map[string][]string{
		"md":   {"# Build report: ", "## Steps by time", "## Layers of linux/", "| Dockerfile:"},
		"json": {`"version": 1`, `"images": [`, `"criticalPath": [`, `"failed": false`},
		"html": {"<!doctype html>", "<h2>Steps by time</h2>", `<div class="bar executed"`},
	} {
		file := filepath.Join(dir, "report."+format)
		code, told := build(answeredDockerfile, "--no-cache", "-t", "x", "--report="+file)
		data, err := os.ReadFile(file)
		if err != nil || code != 0 {
			t.Fatalf("%s: exit code %d, %v, %s", format, code, err, told)
		}
		for _, w := range want {
			if !strings.Contains(string(data), w) {
				t.Errorf("%s has no %q:\n%s", format, w, data)
			}
		}
		if n := strings.Count(string(data), "| `context` |"); format == "md" && n != 1 { // also .dockerignore is from the context
			t.Errorf("the context has %d rows, want one:\n%s", n, data)
		}
	}
	code, told := build("FROM scratch\nCOPY base /\nRUN exit 3\nRUN last\n", "--report")
	for _, want := range []string{"Build report: ", "\nfailed in ", " not started\n", "layers: the build failed before it had an image"} {
		if code != exitFailed || !strings.Contains(told, want) {
			t.Errorf("exit code %d, no %q in\n%s", code, want, told)
		}
	}
	if code, told := build("FROM scratch\nCOPPY a /\n", "--report"); code != exitFailed || !strings.Contains(told, "lines of the Dockerfile: another frontend did the build, or it failed before it was planned") {
		t.Errorf("an invalid Dockerfile: exit code %d, %s", code, told)
	}
	for flag, want := range map[string]string{
		"--report=x.txt":                 `--report: the name of "x.txt" has no known format (want FILE.md, FILE.json or FILE.html)`,
		"--report=" + dir + "/none/x.md": "--report: ",
		"--report --progress=rawjson":    "--report: standard error has JSON only with --progress=rawjson (use --report=FILE)",
		"--report --call=plan":           "--report is about a build, and --call=plan makes none",
		"--report=g.html --graph=g.html": `"g.html" is the file of --graph too`,
	} {
		if code, told := build("FROM scratch\n", strings.Fields(flag)...); code != exitUsage || !strings.Contains(told, want) {
			t.Errorf("%s: exit code %d, %s\nwant %s", flag, code, told, want)
		}
	}
}
