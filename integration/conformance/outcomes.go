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

// An outcome is the result of a test.
type outcome string

const (
	passed     outcome = "pass"
	failed     outcome = "fail"
	skipped    outcome = "skip"
	unfinished outcome = "unfinished" // started but never ended, because the program stopped early
	absent     outcome = "absent"     // never started
)

// outcomes contains the outcome of each test that started, by full name.
type outcomes map[string]outcome

// of returns the outcome of a test, which may not have started.
func (o outcomes) of(test string) outcome {
	if got, ok := o[test]; ok {
		return got
	}
	return absent
}

// String returns the number of tests for each outcome.
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

// An event is a line of go tool test2json.
type event struct {
	Action string
	Test   string
	Output string
}

// readOutcomes parses events until the end of r. It writes each failure to
// progress immediately, and the output of the tests to log.
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

// add processes an event. It reports whether the event ends a test.
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

// write writes one line per test, sorted.
func (o outcomes) write(w io.Writer) error {
	for _, test := range slices.Sorted(maps.Keys(o)) {
		if _, err := fmt.Fprintf(w, "%s %s\n", o[test], test); err != nil {
			return err
		}
	}
	return nil
}

// parseOutcomes parses the format of write.
func parseOutcomes(text string) (outcomes, error) {
	o := outcomes{}
	for line := range strings.Lines(text) {
		got, test, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch outcome(got) {
		case passed, failed, skipped:
		default:
			return nil, fmt.Errorf("not an outcome and a test: %q", line)
		}
		if test == "" {
			return nil, fmt.Errorf("not an outcome and a test: %q", line)
		}
		o[test] = outcome(got)
	}
	return o, nil
}
