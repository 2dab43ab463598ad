package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// builds returns usages with the given durations in milliseconds.
func builds(times ...int) []usage {
	var all []usage
	for _, ms := range times {
		all = append(all, usage{time: time.Duration(ms) * time.Millisecond, memory: 5 << 20})
	}
	return all
}

// TestTable checks the order of the table's rows, and that the ratio in a row is the median
// of the ratios of all turns.
func TestTable(t *testing.T) {
	var tab table
	tab.add(&row{"fast", []*result{{"a", builds(100, 300), 4 << 20}, {"b", builds(50, 30), 2 << 20}}})
	tab.add(&row{"slow", []*result{{"a", builds(100, 300, 200), 4 << 20}, {"b", builds(200, 300, 500), 6 << 20}}})
	var b strings.Builder
	tab.print(&b)
	want := `
| build | a | memory | disk | b | memory | disk | ratio of time | of disk |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
| slow (3) | 200ms | 5 MB | 4 MB | 300ms | 5 MB | 6 MB | 2.00 | 1.50 |
| fast (2) | 200ms | 5 MB | 4 MB | 40ms | 5 MB | 2 MB | 0.30 | 0.50 |
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

// TestMemory checks that the text about a daemon's memory includes the growth during a build.
func TestMemory(t *testing.T) {
	res := &result{builds: []usage{{memory: 90 << 20, growth: 20 << 20}, {memory: 80 << 20, growth: 30 << 20}}}
	if got := res.memory(); got != "90 MB (+30)" {
		t.Errorf("got %q, want 90 MB (+30)", got)
	}
}

// TestParts checks which turns of a case are run, and which of them are reported.
func TestParts(t *testing.T) {
	for _, tc := range []struct {
		c    benchCase
		want []part
	}{
		{benchCase{name: "c", cold: true}, []part{{"c", 0, 5}}},
		{benchCase{name: "c"}, []part{{"", -1, 0}, {"c", 0, 5}}},
		{benchCase{name: "c", cold: true, large: true}, []part{{"c", 0, 3}}},
		{benchCase{name: "c", cold: true, series: 50}, []part{{"c, first 5", 0, 5}, {"", 5, 45}, {"c, last 5", 45, 50}}},
	} {
		if got := tc.c.parts(5); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("parts of %+v: got %v, want %v", tc.c, got, tc.want)
		}
	}
}

// TestCases checks that the files of each case can be created, and that no two cases have
// the same name.
func TestCases(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases(0.001) {
		if names[c.name] {
			t.Errorf("two cases have the name %q", c.name)
		}
		names[c.name] = true
		dir := t.TempDir()
		if err := c.write(dir); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := c.turn(dir, 0); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
