package builder

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// TestGCRules: the defaults are those of buildkitd.
func TestGCRules(t *testing.T) {
	for _, tc := range []struct {
		about string
		gc    GC
		total int64
		want  PruneOptions // the last rule
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
		if r := rules[0]; r.MaxUsedBytes != 512e6 || r.Unused != 48*time.Hour || !slices.Contains(r.Kinds, kindMount) || slices.Contains(r.Kinds, "regular") {
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
		if got := tc.opt.keep(tc.used, tc.free); got != tc.want {
			t.Errorf("%+v with %d used, %d free: %d may stay, want %d", tc.opt, tc.used, tc.free, got, tc.want)
		}
	}
}

// kept returns the kinds of what a state directory has, and how large it is.
func kept(t *testing.T, o Options) (kinds []string, bytes int64) {
	t.Helper()
	list, err := CacheEntries(t.Context(), o.State, o.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		kinds, bytes = append(kinds, e.Kind), bytes+e.Bytes
	}
	return kinds, bytes
}

// TestCollect: a build leaves no more than it may, but nothing is removed that
// another build holds.
func TestCollect(t *testing.T) {
	o := options(t, testDockerfile)
	if err := os.WriteFile(filepath.Join(o.Context, "a"), bytes.Repeat([]byte("x"), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, all := kept(t, o)
	o.GC.Keep = &DiskSpace{Bytes: 50_000}
	s, err := openState(&o)
	if err != nil {
		t.Fatal(err)
	}
	release, err := s.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, n := kept(t, o); n < all {
		t.Errorf("beside another build %d of %d bytes are left, want all", n, all)
	}
	release()
	o.GC.Off = true
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, n := kept(t, o); n < all {
		t.Errorf("without garbage collection %d of %d bytes are left, want all", n, all)
	}
	o.GC.Off = false
	o.Outputs = []Output{{Type: "local", Dest: t.TempDir()}}
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(o.Outputs[0].Dest, "b")); err != nil || len(data) != 100_000 {
		t.Errorf("the build wrote %d bytes, %v, want 100000", len(data), err)
	}
	if kinds, n := kept(t, o); n > 50_000 {
		t.Errorf("%d bytes are left of %v, want at most 50000", n, kinds)
	}
	o.GC = GC{}
	if err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// TestCollectByDefault: after two days a cache mount is removed from a large state
// directory, by the first build after a while.
func TestCollectByDefault(t *testing.T) {
	o := options(t, testDockerfile)
	now := time.Now()
	o.Now = func() time.Time { return now }
	var log bytes.Buffer
	o.Log = &log
	build := func(later time.Duration) string {
		t.Helper()
		now = now.Add(later)
		if err := Run(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		kinds, _ := kept(t, o)
		return strings.Join(slices.Compact(kinds), " ")
	}
	if got := build(0); !strings.Contains(got, kindMount) {
		t.Fatalf("the state directory has %s, want a cache mount", got)
	}
	big := filepath.Join(o.State, "mounts", "other-0", "data", "big")
	if err := os.MkdirAll(filepath.Dir(big), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := allocate(big, 600e6); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.State, "mounts", "other-0", "id"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	build(time.Minute)
	if _, err := os.Stat(big); err != nil {
		t.Errorf("a minute later: %v, want the cache mount to stay", err)
	}
	build(24 * time.Hour)
	if _, err := os.Stat(big); err != nil {
		t.Errorf("a day later: %v, want the cache mount to stay", err)
	}
	build(25 * time.Hour)
	if _, err := os.Stat(big); err == nil {
		t.Error("two days later the cache mount is still there")
	}
	if got := build(time.Hour); !strings.Contains(got, "regular") || log.Len() > 0 {
		t.Errorf("the state directory has %s and the log %q, want the results to stay", got, &log)
	}
}
