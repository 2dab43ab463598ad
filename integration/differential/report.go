package differential

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// ReportOptions configures [Report].
type ReportOptions struct {
	Kinds    []Kind // kinds whose differences are printed; empty for all
	MaxDiffs int    // maximum number of differences per kind; 0 for no limit
	Lines    int    // maximum number of lines per difference; 0 for no limit
}

// Report prints a summary to w: the differences, a table of the kinds, and the reasons why the
// comparison fails. It returns an error only if writing fails.
func Report(w io.Writer, s Summary, opt ReportOptions) error {
	kinds := opt.Kinds
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	var b strings.Builder
	for _, kind := range kinds {
		for _, c := range s.Counts {
			if c.Kind == kind {
				writeDifferences(&b, c, opt)
			}
		}
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "kind\tcases equal\tbuilds equal\texcused")
	for _, c := range s.Counts {
		fmt.Fprintf(tw, "%s\t%d of %d\t%d of %d\t%d\n", c.Kind, c.EqualCases, c.Cases, c.EqualRuns, c.Runs, c.Excused)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, fault := range s.Failures {
		fmt.Fprintf(&b, "FAIL: %s\n", fault)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeDifferences(b *strings.Builder, c Count, opt ReportOptions) {
	groups := group(c)
	for i, g := range groups {
		if opt.MaxDiffs > 0 && i == opt.MaxDiffs {
			fmt.Fprintf(b, "… and %d more differences of %s\n\n", len(groups)-i, c.Kind)
			return
		}
		fmt.Fprintf(b, "%s, %s: %s (- upstream, + ours):\n", g.name, strings.Join(g.platforms, " "), c.Kind)
		lines := strings.Split(strings.TrimSuffix(g.diff, "\n"), "\n")
		if n := len(lines); opt.Lines > 0 && n > opt.Lines {
			lines = append(excerpt(lines, opt.Lines), fmt.Sprintf("… %d lines", n))
		}
		for _, line := range lines {
			fmt.Fprintf(b, "  %s\n", line)
		}
		b.WriteByte('\n')
	}
}

// difference is a diff that is the same for several platforms of one case.
type difference struct {
	name, diff string
	platforms  []string
}

// group returns the differences of the kind that c counts, except for differences that a
// header of the case declares as intended. Outcomes of the same case with the same diff become
// one difference, which lists their platforms.
func group(c Count) []difference {
	var groups []difference
	for _, o := range c.Unexcused {
		platform := o.Platform
		if platform == "" {
			platform = "no platform"
		}
		d := difference{name: o.Case.Name, diff: o.Diffs[c.Kind], platforms: []string{platform}}
		i := slices.IndexFunc(groups, func(g difference) bool { return g.name == d.name && g.diff == d.diff })
		if i < 0 {
			groups = append(groups, d)
		} else {
			groups[i].platforms = append(groups[i].platforms, platform)
		}
	}
	return groups
}

// excerpt returns at most n lines of a diff, starting shortly before its first difference.
func excerpt(lines []string, n int) []string {
	for i, line := range lines {
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, "+") {
			start := max(0, min(i-2, len(lines)-n))
			return slices.Clone(lines[start : start+n])
		}
	}
	return lines[:n:n]
}
