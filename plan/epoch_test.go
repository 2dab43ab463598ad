package plan

import (
	"context"
	"errors"
	"testing"
	"time"

	"slipway/diag"
)

// failingTime is a Resolver whose method Time always returns err.
type failingTime struct {
	imageResolver
	err error
}

func (n failingTime) Time(context.Context, TimeSource) (*time.Time, error) { return nil, n.err }

// TestEpochErrors checks that an error about SOURCE_DATE_EPOCH has the range of the
// invalid value or instruction. If a build argument sets the value, the error has no
// range.
func TestEpochErrors(t *testing.T) {
	const stage = "FROM scratch AS src\nADD https://example.com/f /\n"
	broken := errors.New("broken")
	for _, tc := range []struct {
		name, file, arg, want string
		line, column, shown   int // 0: no range
	}{
		{"a global ARG", "ARG A SOURCE_DATE_EPOCH=nosuch\nFROM a\n", "", "invalid SOURCE_DATE_EPOCH: nosuch", 1, 25, 1},
		{"the last global ARG", "ARG SOURCE_DATE_EPOCH=1\nARG SOURCE_DATE_EPOCH=x\nFROM a\n", "", "invalid SOURCE_DATE_EPOCH: x", 2, 23, 2},
		{"a build argument", "ARG SOURCE_DATE_EPOCH=1\nFROM a\n", "nosuch", "invalid SOURCE_DATE_EPOCH: nosuch", 0, 0, 0},
		{"the context of a global ARG", "ARG SOURCE_DATE_EPOCH=context\nFROM a\n", "", "broken", 1, 23, 1},
		{"a stage that cannot be reached", stage + "FROM a\n", "src", "broken", 2, 1, 2},
		{"an instruction", stage + "RUN x\nFROM a\n", "src", "SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported RUN instruction", 3, 1, 1},
		{"a source", "FROM scratch AS src\nADD f /\nFROM a\n", "src", "SOURCE_DATE_EPOCH stage source must be a single HTTP(S) or Git ADD", 2, 5, 1},
	} {
		opt := Options{Resolver: failingTime{err: broken}, BuildArgs: map[string]string{}}
		if tc.arg != "" {
			opt.BuildArgs[epochKey] = tc.arg
		}
		_, err := build(tc.file, opt)
		var d *diag.Diagnostic
		if !errors.As(err, &d) || d.Message != tc.want {
			t.Errorf("%s: error %v, want %s", tc.name, err, tc.want)
			continue
		}
		if tc.line == 0 {
			if !d.Shown().IsZero() {
				t.Errorf("%s: at %v, want no range", tc.name, d.Shown())
			}
			continue
		}
		if at, shown := d.Range.Position(), d.Shown().Position(); at.Line != tc.line || at.Column != tc.column || shown.Line != tc.shown {
			t.Errorf("%s: at %v, shown %v, want %d:%d, shown %d", tc.name, at, shown, tc.line, tc.column, tc.shown)
		}
	}
}
