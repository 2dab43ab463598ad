//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
)

// TestRead checks that parse finds granted and refused privileges in the output of a step,
// and ignores other lines.
func TestRead(t *testing.T) {
	o := newOutcomes()
	o.parse("+ a/b\n- a/c EPERM\n! a run\nanything else\n+ a/d\n")
	if got, want := strings.Join(o.matching([]string{"a/"}), " "), "a/b a/d"; got != want {
		t.Errorf("privileges: %s, want %s", got, want)
	}
	if got := o.refused["a/c"]; got != "EPERM" {
		t.Errorf("a/c is refused with %q, want EPERM", got)
	}
}

// TestMatching checks that the method matching selects privileges by their exact names and by
// prefixes.
func TestMatching(t *testing.T) {
	o := newOutcomes()
	o.parse("+ agent/1\n+ agent/11\n+ fd/3/outside\n+ linked/proc-link/x\n")
	for name, want := range map[string]string{
		"agent/1": "agent/1", "agent/": "agent/1 agent/11", "linked/proc-": "linked/proc-link/x", "linked/proc": "", "fd/3/": "fd/3/outside",
	} {
		if got := strings.Join(o.matching([]string{name}), " "); got != want {
			t.Errorf("of(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestCompare checks the table cells and errors that compare returns for the outcomes of
// three builders.
func TestCompare(t *testing.T) {
	reference, same, other := newOutcomes(), newOutcomes(), newOutcomes()
	reference.parse("+ root/groups/0\n+ root/groups/1\n+ host-directory/dev-host\n+ root/readable/proc/stat\n")
	same.parse("+ root/groups/0\n+ root/groups/1\n+ linked/proc-link/readable/proc/stat\n")
	other.parse("+ root/groups/0\n+ host-directory/dev-host\n+ linked/proc-link/readable/proc/keys\n+ root/terminal/open\n")
	cols := []column{{name: "root"}, {name: "other"}, {name: "shell", jobPrefix: "script"}}
	c := compare(reference, cols, []*outcomes{same, other, newOutcomes()})
	for text, want := range map[string]string{
		"supplementary groups":                                               "✔ ✔ less ",
		"terminal of the caller: read, write, type":                          "– – **more** ",
		"more by an image whose `/proc` is a link or a file":                 "– – **more** ",
		"files made on the host by links at `/proc`, `/sys`, `/dev`, `/etc`": "✔ – **more** ",
		"shell scripts: files, users, environment, processes of the host":    "– – – –",
	} {
		n := slices.IndexFunc(c.cells, func(cells []string) bool { return cells[0] == text })
		if n < 0 {
			t.Errorf("no row %q", text)
			continue
		}
		if got := strings.Join(c.cells[n][1:], " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	want := []string{
		"other: terminal of the caller: read, write, type: root/terminal/open",
		"other: more by an image whose `/proc` is a link or a file: linked/proc-link/readable/proc/keys",
		"other: files made on the host by links at `/proc`, `/sys`, `/dev`, `/etc`: host-directory/dev-host",
	}
	got := slices.DeleteFunc(slices.Clone(c.errors), func(e string) bool { return strings.HasSuffix(e, unneededText) })
	if !slices.Equal(got, want) {
		t.Errorf("errors:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(c.errors)-len(got) == 0 {
		t.Error("exceptions that nothing needs are no error")
	}
}

// TestRows checks that each row of the privilege table has a unique text, without the
// character | that separates cells.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rows() {
		if seen[r.text] || strings.Contains(r.text, "|") || len(r.names) == 0 {
			t.Errorf("row %q: twice, with a bar, or without names", r.text)
		}
		seen[r.text] = true
	}
}

// TestJobs checks that the names of jobs are unique, and that each Dockerfile starts with one
// of the base images defined in this package.
func TestJobs(t *testing.T) {
	seen := map[string]bool{}
	for _, j := range jobs() {
		if seen[j.name] {
			t.Errorf("job %q exists twice", j.name)
		}
		seen[j.name] = true
		if !strings.HasPrefix(j.dockerfile, "FROM probe:{column}-") {
			t.Errorf("job %s: base is none of ours:\n%s", j.name, j.dockerfile)
		}
	}
}

// TestLesser checks which differences from the recorded table lesser accepts: only cells with
// fewer privileges.
func TestLesser(t *testing.T) {
	const recorded = "| privilege | buildkitd | root |\n|---|:-:|:-:|\n| calls | ✔ | more [2] |\n| files | – | less |\n"
	for change, want := range map[[2]string]int{
		{"", ""}:                                 0,
		{"| ✔ | more [2] |", "| – | – |"}:        2,
		{"| more [2] |", "| less |"}:             1,
		{"| – | less |", "| – | ✔ |"}:            -1,
		{"| – | less |", "| ✔ | less |"}:         -1,
		{"| ✔ | more [2] |", "| ✔ | **more** |"}: -1,
		{"| files | – | less |\n", ""}:           -1,
		{"files", "other files"}:                 -1,
	} {
		cells, ok := lesser(recorded, strings.Replace(recorded, change[0], change[1], 1))
		if ok != (want >= 0) || ok && len(cells) != want {
			t.Errorf("%q: %q, %v, want %d", change, cells, ok, want)
		}
	}
}
