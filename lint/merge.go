package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"slipway/source"
)

// Merge returns one result for several builds of the same file, whose names are in the same
// order. Equal findings of several builds become one. The message of a finding that some builds
// do not have lists the builds that have it. The results must not be used any more.
func Merge(results []*Result, builds []string) *Result {
	merged := &Result{File: results[0].File}
	merged.Findings = mergeFindings(results, builds, func(r *Result) []*Finding { return r.Findings })
	merged.Suppressed = mergeFindings(results, builds, func(r *Result) []*Finding { return r.Suppressed })
	return merged
}

// findingKey identifies equal findings of several builds.
type findingKey struct {
	code, message string
	file          *source.File
	start, end    int
}

// mergeFindings returns the findings that the function of returns for the results, in order.
func mergeFindings(results []*Result, builds []string, of func(*Result) []*Finding) []*Finding {
	var list []*Finding
	found := map[findingKey][]string{}
	key := func(f *Finding) findingKey {
		return findingKey{f.Code, f.Message, f.Range.File, f.Range.Start, f.Range.End}
	}
	for i, r := range results {
		for _, f := range of(r) {
			k := key(f)
			if found[k] == nil {
				list = append(list, f)
			}
			if !slices.Contains(found[k], builds[i]) {
				found[k] = append(found[k], builds[i])
			}
		}
	}
	for _, f := range list {
		switch names := found[key(f)]; {
		case len(names) == len(results):
		case len(names) == 1:
			f.Message += fmt.Sprintf(" (target %s)", names[0])
		default:
			f.Message += fmt.Sprintf(" (targets %s)", strings.Join(names, ", "))
		}
	}
	sortFindings(list)
	return list
}

// sortFindings sorts findings by offset and name.
func sortFindings(list []*Finding) {
	slices.SortStableFunc(list, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Range.Start, b.Range.Start), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Range.End, b.Range.End))
	})
}
