//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// comparison is the printed table of privileges: one row for each kind of privilege, one column
// for each builder.
type comparison struct {
	header []string
	cells  [][]string // texts by row and column; column 0 is the text of the row
	notes  []string   // reasons of the exceptions, in the order of their footnote numbers
	errors []string   // privileges without an exception, and exceptions that are not needed
}

// compare returns the table of privileges, with a column for buildkitd and one for each given
// builder configuration. The parameter reference contains the outcomes with buildkitd. The
// parameter found contains the outcomes with the other builders, in the same order as the
// configurations.
func compare(reference *outcomes, list []column, found []*outcomes) comparison {
	c := comparison{header: []string{"privilege", "buildkitd"}}
	for _, col := range list {
		c.header = append(c.header, col.name)
	}
	first, used := referenceColumn(), map[string]bool{} // keys of used are "EXCEPTION COLUMN"
	for _, r := range rows() {
		want := r.privileges(reference, reference)
		cells := []string{r.text, mark(len(want) > 0)}
		if r.job != "" && r.job == first.skippedJob {
			cells[1] = ""
		}
		for n, col := range list {
			if col.jobPrefix != "" && !r.script || col.skippedJob != "" && col.skippedJob == r.job {
				cells = append(cells, "")
				continue
			}
			got := r.privileges(found[n], reference)
			more := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return reference.granted[id] && !r.strict })
			rest, notes := applyExceptions(more, col.name, used)
			if len(rest) > 0 {
				c.errors = append(c.errors, fmt.Sprintf("%s: %s: %s", col.name, r.text, shorten(rest)))
			}
			cells = append(cells, cell(len(want), len(got), len(more), len(rest))+strings.Join(notes, ""))
		}
		c.cells = append(c.cells, cells)
	}
	for n, e := range exceptions() {
		c.notes = append(c.notes, e.reason)
		for _, col := range list {
			if slices.Contains(e.columns, col.name) && !used[fmt.Sprintf("%d %s", n, col.name)] {
				c.errors = append(c.errors, fmt.Sprintf("%s: the exception %q%s", col.name, e.names, unneededText))
			}
		}
	}
	return c
}

// unneededText is the end of the error text for an exception that is no longer needed, because
// the runner does not give the privilege any longer.
const unneededText = " is no longer needed"

// applyExceptions looks for exceptions that allow the privileges in more. These are privileges
// that the builder with the name column gives to a step although buildkitd does not. The first
// result contains the privileges without an exception. The second result contains the footnote
// references, such as " [1]", of the exceptions that apply. applyExceptions adds these
// exceptions to the set used.
func applyExceptions(more []string, column string, used map[string]bool) (rest, notes []string) {
	for _, id := range more {
		excused := false
		for n, e := range exceptions() {
			if !slices.Contains(e.columns, column) || !slices.ContainsFunc(e.names, func(name string) bool { return matches(name, id) }) {
				continue
			}
			excused = true
			used[fmt.Sprintf("%d %s", n, column)] = true
			if note := fmt.Sprintf(" [%d]", n+1); !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
		if !excused {
			rest = append(rest, id)
		}
	}
	return rest, notes
}

func mark(granted bool) string {
	if granted {
		return "✔"
	}
	return "–"
}

// cell returns the text of a table cell, such as "less". The parameter want is the number of
// privileges that a step has with buildkitd, and got is the number that it has with the column's
// builder. The parameter more is the number of privileges that only the column's builder gives.
// The parameter unexcused counts those among them that no exception allows.
func cell(want, got, more, unexcused int) string {
	switch {
	case unexcused > 0:
		return "**more**"
	case more > 0:
		return "more"
	case got == 0:
		return mark(false)
	case got < want:
		return "less"
	}
	return mark(true)
}

// lesser compares two tables in Markdown. It returns the cells in which the table now shows
// fewer privileges than the table recorded, such as "row: less instead of ✔". If the tables
// differ in another way, ok is false. A cell may show fewer privileges because the kernel lacks
// a feature, for example the 32-bit ABI.
func lesser(recorded, now string) (cells []string, ok bool) {
	old, lines := strings.Split(recorded, "\n"), strings.Split(now, "\n")
	if len(old) != len(lines) {
		return nil, false
	}
	for i, line := range lines {
		was, is := strings.Split(old[i], " | "), strings.Split(line, " | ")
		if len(was) != len(is) || was[0] != is[0] {
			return nil, false
		}
		for n := range is {
			if is[n] == was[n] {
				continue
			}
			if rank(is[n]) >= rank(was[n]) {
				return nil, false
			}
			cells = append(cells, fmt.Sprintf("%s: %s instead of %s", strings.TrimPrefix(is[0], "| "), is[n], was[n]))
		}
	}
	return cells, true
}

// rank returns a number for the text of a cell. It is greater for a text that means more
// privileges.
func rank(cell string) int {
	word, _, _ := strings.Cut(cell, " ")
	return slices.Index([]string{mark(false), "less", mark(true), "more", "**more**"}, word)
}

// shorten joins names with blanks. It omits all names after the first twelve.
func shorten(names []string) string {
	const most = 12
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], " "), len(names)-most)
	}
	return strings.Join(names, " ")
}

// markdown returns the table and its footnotes in Markdown.
func (c comparison) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|---|%s\n", strings.Join(c.header, " | "), strings.Repeat(":-:|", len(c.header)-1))
	for _, cells := range c.cells {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	for n, why := range c.notes {
		fmt.Fprintf(&b, "\n[%d] %s\n", n+1, why)
	}
	return b.String()
}
