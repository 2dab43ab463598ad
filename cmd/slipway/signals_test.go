package main

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestWaitToExit checks that waitToExit returns at once on a second signal, unless this
// signal only repeats the first one. Without a second signal, it must return after the
// grace period.
func TestWaitToExit(t *testing.T) {
	const echo, grace = 200 * time.Millisecond, 10 * time.Second
	for about, tc := range map[string]struct {
		signals []time.Duration // times of further signals after the first
		want    time.Duration
	}{
		"one signal":       {nil, grace},
		"passed on twice":  {[]time.Duration{0, time.Millisecond, echo - 1}, grace},
		"second signal":    {[]time.Duration{time.Second}, time.Second},
		"both":             {[]time.Duration{time.Millisecond, echo + 1}, echo + 1},
		"the second later": {[]time.Duration{0, grace - 1}, grace - 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			signals := make(chan os.Signal, len(tc.signals))
			start := time.Now()
			for _, after := range tc.signals {
				time.AfterFunc(after, func() { signals <- os.Interrupt })
			}
			waitToExit(signals, echo, grace)
			if took := time.Since(start); took != tc.want {
				t.Errorf("%s: exit after %v, want %v", about, took, tc.want)
			}
		})
	}
}
