package build

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// TestRunnerWarning: the log says once that steps are interpreted, if the user
// has not asked for it.
func TestRunnerWarning(t *testing.T) {
	none := errors.New("no namespaces")
	const warning = "warning: RUN steps are interpreted, as they cannot run in namespaces: no namespaces\n"
	for _, tc := range []struct {
		runner  string
		err     error
		fails   bool
		warning string
	}{
		{"auto", none, false, warning},
		{"auto", nil, false, ""},
		{"portable", none, false, ""},
		{"namespace", none, true, ""},
	} {
		o := options(t, "")
		var log bytes.Buffer
		o.Runner, o.Log = tc.runner, &log
		s, err := openState(&o)
		if err != nil {
			t.Fatal(err)
		}
		c := newRunner(s, &o)
		c.available = func(context.Context) error { return tc.err }
		for range 2 {
			if err := c.choose(t.Context()); (err != nil) != tc.fails {
				t.Errorf("runner %s with %v: error %v, want one: %t", tc.runner, tc.err, err, tc.fails)
			}
		}
		if log.String() != tc.warning {
			t.Errorf("runner %s with %v: log %q, want %q", tc.runner, tc.err, &log, tc.warning)
		}
	}
}
