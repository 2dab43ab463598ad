package state

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/moby/buildkit/util/disk"
)

func TestParseGC(t *testing.T) {
	for value, want := range map[string]string{
		"": "default", "unlimited": "off", "20GB": "20000000000", "512kb": "512000", "0": "0", "10%": "500", "100%": "5000",
		"0%": "error", "101%": "error", "x%": "error", "much": "error", "-1GB": "error", "99999999999GB": "error",
	} {
		gc, err := ParseGC(value)
		got := "default"
		switch {
		case err != nil:
			got = "error"
		case gc.Off:
			got = "off"
		case gc.Keep != nil:
			got = strconv.FormatInt(gc.Keep.bytes(5000), 10)
		}
		if got != want {
			t.Errorf("%q is %s, want %s (error %v)", value, got, want, err)
		}
	}
}

// TestGCRules checks that the default policy has the same rules and limits as
// buildkitd's default policy.
func TestGCRules(t *testing.T) {
	for _, tc := range []struct {
		about string
		gc    GC
		total int64
		want  PruneOptions // expected last rule
	}{
		{"a small disk", GC{}, 50e9, PruneOptions{KeepBytes: 5e9, MaxUsedBytes: 40e9, MinFreeBytes: 10e9}},
		{"a large disk", GC{}, 1000e9, PruneOptions{KeepBytes: 10e9, MaxUsedBytes: 100e9, MinFreeBytes: 200e9}},
		{"an unknown disk", GC{}, 0, PruneOptions{KeepBytes: 2e9, MaxUsedBytes: 16e9, MinFreeBytes: 4e9}},
		{"an amount", GC{Keep: &DiskSpace{Bytes: 7}}, 50e9, PruneOptions{KeepBytes: 7}},
		{"a share", GC{Keep: &DiskSpace{Percent: 30}}, 50e9, PruneOptions{KeepBytes: 15e9}},
	} {
		rules := tc.gc.rules(disk.DiskStat{Total: tc.total})
		if len(rules) != 3 {
			t.Fatalf("%s: %d rules, want 3", tc.about, len(rules))
		}
		limits := func(o PruneOptions) [3]int64 { return [3]int64{o.KeepBytes, o.MaxUsedBytes, o.MinFreeBytes} }
		if got := limits(rules[2]); got != limits(tc.want) || rules[2].Unused != 0 {
			t.Errorf("%s: the last rule is %+v, want %+v", tc.about, rules[2], tc.want)
		}
		if got := limits(rules[1]); got != limits(tc.want) || rules[1].Unused != 60*24*time.Hour {
			t.Errorf("%s: the second rule is %+v, want the last one for what was not used for 60 days", tc.about, rules[1])
		}
		if r := rules[0]; r.MaxUsedBytes != 512e6 || r.Unused != 48*time.Hour || !slices.Contains(r.Kinds, KindMount) || slices.Contains(r.Kinds, "regular") {
			t.Errorf("%s: the first rule is %+v", tc.about, r)
		}
	}
}

func TestKeep(t *testing.T) {
	for _, tc := range []struct {
		opt              PruneOptions
		used, free, want int64
	}{
		{PruneOptions{KeepBytes: 10}, 50, 0, 10},
		{PruneOptions{MaxUsedBytes: 10}, 50, 0, 10},
		{PruneOptions{MaxUsedBytes: 100}, 50, 0, 100},
		{PruneOptions{MinFreeBytes: 10}, 50, 20, 50},
		{PruneOptions{MinFreeBytes: 30}, 50, 20, 40},
		{PruneOptions{MinFreeBytes: 90}, 50, 20, 0},
		{PruneOptions{KeepBytes: 25, MinFreeBytes: 90}, 50, 20, 25},
		{PruneOptions{MaxUsedBytes: 45, MinFreeBytes: 30}, 50, 20, 40},
		{PruneOptions{MaxUsedBytes: 35, MinFreeBytes: 30}, 50, 20, 35},
		{PruneOptions{KeepBytes: 38, MaxUsedBytes: 35, MinFreeBytes: 30}, 50, 20, 38},
	} {
		if got := tc.opt.keepBytes(tc.used, tc.free); got != tc.want {
			t.Errorf("%+v with %d used, %d free: %d may stay, want %d", tc.opt, tc.used, tc.free, got, tc.want)
		}
	}
}
