package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// An outcome is the result of a test, such as pass, fail or skip.
type outcome string

const (
	passed     outcome = "pass"
	failed     outcome = "fail"
	skipped    outcome = "skip"
	unfinished outcome = "unfinished" // started, but the test program ended first
	absent     outcome = "absent"     // never started
)

// outcomes contains the outcome of each started test, by the full name of the test.
type outcomes map[string]outcome

// of returns the outcome of a test. If the test never started, it returns the constant absent.
func (o outcomes) of(test string) outcome {
	if got, ok := o[test]; ok {
		return got
	}
	return absent
}

// dropOuter removes the outer tests, whose outcome depends on the whole suite.
func (o outcomes) dropOuter() {
	maps.DeleteFunc(o, func(test string, _ outcome) bool { return !strings.Contains(test, "/") })
}

// String returns the number of tests for each outcome, separated by commas.
func (o outcomes) String() string {
	n := map[outcome]int{}
	for _, got := range o {
		n[got]++
	}
	text := fmt.Sprintf("%d passed, %d failed, %d skipped", n[passed], n[failed], n[skipped])
	if n[unfinished] > 0 {
		text += fmt.Sprintf(", %d never ended", n[unfinished])
	}
	return text
}

// An event is a line of the JSON output from go tool test2json.
type event struct {
	Action string
	Test   string
	Output string
}

// readOutcomes reads all test events from r and returns the outcomes of the tests. It writes
// each failure to progress as soon as the failure occurs, and the output of all tests to log.
func readOutcomes(r io.Reader, progress, log io.Writer) (outcomes, error) {
	o := outcomes{}
	for dec, ended := json.NewDecoder(r), 0; ; {
		var e event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil {
			return o, fmt.Errorf("read the tests' output: %w", err)
		}
		if _, err := io.WriteString(log, e.Output); err != nil {
			return o, err
		}
		if !o.add(e) {
			continue
		}
		if o[e.Test] == failed {
			fmt.Fprintf(progress, "FAIL %s\n", e.Test)
		}
		if ended++; ended%50 == 0 {
			fmt.Fprintf(progress, "%d tests done\n", ended)
		}
	}
}

// add updates the outcome of the test to which e, an event of the test output, belongs. It
// reports whether the test has ended.
func (o outcomes) add(e event) bool {
	switch {
	case e.Test == "":
		return false
	case e.Action == "run":
		o[e.Test] = unfinished
		return false
	}
	switch got := outcome(e.Action); got {
	case passed, failed, skipped:
		o[e.Test] = got
		return true
	}
	return false
}

// write writes the outcomes to w, one line per test, sorted by name.
func (o outcomes) write(w io.Writer) error {
	for _, test := range slices.Sorted(maps.Keys(o)) {
		if _, err := fmt.Fprintf(w, "%s %s\n", o[test], test); err != nil {
			return err
		}
	}
	return nil
}

// parseOutcomes parses the text that [outcomes.write] writes.
func parseOutcomes(text string) (outcomes, error) {
	o := outcomes{}
	for line := range strings.Lines(text) {
		got, test, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch outcome(got) {
		case passed, failed, skipped:
		default:
			return nil, fmt.Errorf("invalid line %q: want OUTCOME TEST", line)
		}
		if test == "" {
			return nil, fmt.Errorf("invalid line %q: want OUTCOME TEST", line)
		}
		o[test] = outcome(got)
	}
	return o, nil
}
