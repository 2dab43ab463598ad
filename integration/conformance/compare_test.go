package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func events(t *testing.T, lines ...string) io.Reader {
	t.Helper()
	var buf bytes.Buffer
	for _, l := range lines {
		action, test, _ := strings.Cut(l, " ")
		if err := json.NewEncoder(&buf).Encode(event{Action: action, Test: test, Output: l + "\n"}); err != nil {
			t.Fatal(err)
		}
	}
	return &buf
}

func read(t *testing.T, lines ...string) outcomes {
	t.Helper()
	o, err := readOutcomes(events(t, lines...), io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestCompare checks that each kind of difference is counted once, and that equal outcomes are
// not counted.
func TestCompare(t *testing.T) {
	upstream := read(t,
		"run T", "run T/A", "run T/B", "run T/C", "run T/C/sub", "run T/D", "run T/E", "run T/F", "run T/G", "run T/H",
		"pass T/A", "fail T/B", "skip T/C/sub", "pass T/C", "pass T/D", "pass T/E", "skip T/F", "fail T/G", "pass T/H", "fail T")
	ours := read(t,
		"start", "run T", "run T/A", "run T/B", "run T/C", "run T/C/sub", "run T/E", "run T/F", "run T/G", "run T/H", "run T/H/sub",
		"pass T/A", "fail T/B", "skip T/C/sub", "pass T/C", "skip T/F", "pass T/G", "fail T/H/sub", "fail T/H", "fail T")
	var out strings.Builder
	c := comparison{title: "worker=w", upstream: "upstream's image", ours: "our image"}
	if worse := c.print(&out, upstream, ours); len(worse) != 3 {
		t.Errorf("%d tests pass only with upstream's image, want 3: %v", len(worse), worse)
	}
	want := `worker=w
  upstream's image: 5 passed, 3 failed, 2 skipped
  our image:        3 passed, 4 failed, 2 skipped, 1 never ended
  T/D: pass with upstream's image, absent with our image
  T/E: pass with upstream's image, unfinished with our image
  T/H: pass with upstream's image, fail with our image
  T/G: fail with upstream's image, pass with our image
  T/H/sub: absent with upstream's image, fail with our image
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	if worse := c.print(&out, ours, maps.Clone(ours)); worse != nil || !strings.Contains(out.String(), "no test differs") {
		t.Errorf("equal outcomes: %s", out.String())
	}
}

// TestParent checks that compare omits a test whose outcome differs only because of a subtest.
func TestParent(t *testing.T) {
	got := compare(outcomes{"T": passed, "T/a": passed, "T/b": passed}, outcomes{"T": failed, "T/a": failed, "T/b": passed})
	if len(got) != 1 || got[0].test != "T/a" {
		t.Errorf("differences %v", got)
	}
}

func TestGarbage(t *testing.T) {
	if _, err := readOutcomes(strings.NewReader("panic: no JSON\n"), io.Discard, io.Discard); err == nil {
		t.Error("output that is not JSON is accepted")
	}
	for _, text := range []string{"pass\n", "pass \n", "passed T\n", "\n"} {
		if o, err := parseOutcomes(text); err == nil {
			t.Errorf("%q is parsed as outcomes %v, want an error", text, o)
		}
	}
}

// TestRecorded checks that the recorded outcomes for each kind of BuildKit worker can be
// parsed and cover the whole suite.
func TestRecorded(t *testing.T) {
	for _, worker := range workers() {
		all, err := readRecord(worker, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(all) < 500 || all.of("TestIntegration/TestCopyRelative/worker="+worker+"/frontend=gateway") != passed {
			t.Errorf("%s: %d outcomes: %s", worker, len(all), all)
		}
		var text bytes.Buffer
		if err := all.write(&text); err != nil {
			t.Fatal(err)
		}
		if again, err := parseOutcomes(text.String()); err != nil || !maps.Equal(all, again) {
			t.Errorf("%s: writing and parsing the record changes it: %v", worker, err)
		}
		some, err := readRecord(worker, "^TestCopyRelative$")
		if err != nil || len(some) != 1 {
			t.Errorf("%s: %d outcomes of one test, %v", worker, len(some), err)
		}
	}
	if _, err := readRecord("nosuchworker", ""); err == nil {
		t.Error("a worker without a record has one")
	}
}

// TestPrintReasons checks that a lost test without a reason is an error, and that a recorded test
// is reported as passed only if it ran and passed.
func TestPrintReasons(t *testing.T) {
	lost := map[string]string{"known": "a reason", "won": "a reason", "not run": "a reason"}
	got := outcomes{"known": failed, "won": passed, "new": failed}
	var b strings.Builder
	if printReasons(&b, []difference{{test: "known"}, {test: "new"}}, got, lost) {
		t.Error("a lost test without a reason is no error")
	}
	want := "  2 tests pass only with buildkitd, 1 of them without a recorded reason\n  no reason is recorded: new\n  passes, but is recorded as lost: won\n"
	if b.String() != want {
		t.Errorf("output:\n%swant:\n%s", &b, want)
	}
	if !printReasons(&b, []difference{{test: "known"}}, got, lost) {
		t.Error("a lost test with a reason is an error")
	}
}

// TestQuick checks that each test that CI runs of a suite passes with buildkitd and is not known to
// fail with slipway serve.
func TestQuick(t *testing.T) {
	listed := 0
	for _, suite := range solverSuites() {
		pattern, err := quickPattern(suite)
		if err != nil {
			t.Fatal(err)
		}
		if pattern == "" {
			continue
		}
		record, err := readRecord(recordOf(suite), pattern)
		if err != nil {
			t.Fatal(err)
		}
		lost, err := readLost("solver-" + suite)
		if err != nil {
			t.Fatal(err)
		}
		won := map[string]bool{}
		for test, o := range record {
			won[topTest(test)] = won[topTest(test)] || o == passed && lost[test] == ""
		}
		for name := range strings.SplitSeq(strings.Trim(pattern, "^()$"), "|") {
			if listed++; !won[name] {
				t.Errorf("suite %s: %s is listed, but does not pass", suite, name)
			}
		}
	}
	if listed == 0 {
		t.Error("no test is listed")
	}
}
