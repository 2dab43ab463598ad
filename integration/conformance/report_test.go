package main

import (
	"bytes"
	"encoding/json"
	"io"
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

func TestReport(t *testing.T) {
	rep, err := readReport(events(t,
		"run T", "run T/A/worker=oci", "run T/B/worker=oci", "run T/C/worker=oci", "run T/C/worker=oci/sub", "run T/D/worker=oci",
		"pass T/A/worker=oci", "skip T/B/worker=oci", "fail T/C/worker=oci/sub", "fail T/C/worker=oci", "fail T",
	), io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	expected := []expectedFailure{{"T/C", "no internet"}, {"T/A", "no internet"}}
	for name, tc := range map[string]struct {
		expected []expectedFailure
		whole    bool
		ok       bool
		want     string
	}{
		"nothing expected": {nil, true, false, `Failed (1):
  T/C/worker=oci/sub
Started, but never ended (1):
  T/D/worker=oci
1 passed, 3 failed, 1 skipped
`},
		"whole": {expected, true, false, `Failed as expected (1):
  T/C/worker=oci/sub
      no internet
Started, but never ended (1):
  T/D/worker=oci
Expected to fail, but did not (1):
  T/A
1 passed, 3 failed, 1 skipped
`},
	} {
		t.Run(name, func(t *testing.T) {
			v := rep.judge(tc.expected, tc.whole)
			var out strings.Builder
			v.print(&out, rep)
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if v.ok() != tc.ok {
				t.Errorf("ok = %v, want %v", v.ok(), tc.ok)
			}
		})
	}
	delete(rep.open, "T/D/worker=oci")
	if v := rep.judge(expected, false); !v.ok() {
		t.Errorf("a part of the suite with expected failures only is not ok: %+v", v)
	}
}

func TestReportGarbage(t *testing.T) {
	if _, err := readReport(strings.NewReader("panic: no JSON"), io.Discard, io.Discard); err == nil {
		t.Error("output that is not JSON is taken for a report")
	}
}

func TestExpected(t *testing.T) {
	list, err := parseExpected(expectedText)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Error("expected.txt is empty")
	}
	if _, err := parseExpected("TestX\n"); err == nil {
		t.Error("a test without a reason is accepted")
	}
	if e := (expectedFailure{"T/Add", ""}); e.covers("T/AddGit/worker=oci") || !e.covers("T/Add/worker=oci") {
		t.Error("covers goes by whole names")
	}
}
