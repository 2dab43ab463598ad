package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An event is a line of go tool test2json.
type event struct {
	Action string
	Test   string
	Output string
}

// A report counts tests by how they ended.
type report struct {
	passed, failed, skipped []string            // names, in order of ending
	open                    map[string]struct{} // started, not ended
	binaryPassed            bool                // the test binary said PASS as a whole
}

// readReport reads events up to the end of r. Each failure is told to progress
// as it happens, and the text of the tests goes to log.
func readReport(r io.Reader, progress, log io.Writer) (*report, error) {
	rep := &report{open: map[string]struct{}{}}
	for dec := json.NewDecoder(r); ; {
		var e event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return rep, nil
		}
		if err != nil {
			return rep, fmt.Errorf("read the tests' output: %w", err)
		}
		if _, err := io.WriteString(log, e.Output); err != nil {
			return rep, err
		}
		rep.add(e, progress)
	}
}

func (r *report) add(e event, progress io.Writer) {
	if e.Test == "" {
		if e.Action == "pass" {
			r.binaryPassed = true
		}
		return
	}
	switch e.Action {
	case "run":
		r.open[e.Test] = struct{}{}
		return
	case "pass":
		r.passed = append(r.passed, e.Test)
	case "skip":
		r.skipped = append(r.skipped, e.Test)
	case "fail":
		r.failed = append(r.failed, e.Test)
		fmt.Fprintf(progress, "FAIL %s\n", e.Test)
	default:
		return
	}
	delete(r.open, e.Test)
	if n := len(r.passed) + len(r.failed) + len(r.skipped); n%50 == 0 {
		fmt.Fprintf(progress, "%d tests done\n", n)
	}
}

// culprits are the failed tests without those that failed only because a
// sub-test did.
func (r *report) culprits() []string {
	var list []string
	for _, name := range r.failed {
		if !slices.ContainsFunc(r.failed, func(other string) bool { return strings.HasPrefix(other, name+"/") }) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// A verdict is what a report means given the failures that are expected.
type verdict struct {
	expected   []string // culprits that are expected, with the reason
	unexpected []string // other culprits
	unfinished []string // tests without an end: the binary stopped early
	needless   []string // expected failures of which nothing failed
}

// judge compares the report with the expected failures. Only a run of the whole
// suite shows that an expectation is needless.
func (r *report) judge(expected []expectedFailure, whole bool) verdict {
	var v verdict
	for _, name := range r.culprits() {
		i := slices.IndexFunc(expected, func(e expectedFailure) bool { return e.covers(name) })
		if i >= 0 {
			v.expected = append(v.expected, name+"\n      "+expected[i].reason)
		} else {
			v.unexpected = append(v.unexpected, name)
		}
	}
	for name := range r.open {
		v.unfinished = append(v.unfinished, name)
	}
	slices.Sort(v.unfinished)
	for _, e := range expected {
		if whole && !slices.ContainsFunc(r.failed, e.covers) {
			v.needless = append(v.needless, e.name)
		}
	}
	return v
}

// ok reports whether nothing is out of order. A needless expectation is in order:
// this machine may have what others lack.
func (v verdict) ok() bool {
	return len(v.unexpected)+len(v.unfinished) == 0
}

// print writes the lists, each under a heading, then the counts.
func (v verdict) print(w io.Writer, r *report) {
	for _, part := range []struct {
		heading string
		names   []string
	}{
		{"Failed as expected", v.expected},
		{"Failed", v.unexpected},
		{"Started, but never ended", v.unfinished},
		{"Expected to fail, but did not", v.needless},
	} {
		if len(part.names) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s (%d):\n", part.heading, len(part.names))
		for _, name := range part.names {
			fmt.Fprintf(w, "  %s\n", name)
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", len(r.passed), len(r.failed), len(r.skipped))
}
