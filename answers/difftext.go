package answers

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"slipway/diag"
)

// pairOfSteps is a step of each build. One of them may be nil.
type pairOfSteps struct{ was, is *Step }

// maxPairs is the maximum size of the table in which pair searches. Larger stages are paired by
// their common beginning and end only.
const maxPairs = 4 << 20

// pair pairs the steps of two stages so that as many as possible have equal texts. The pulls of the
// bases are always a pair.
func pair(old, now []*Step) []pairOfSteps {
	equal := func(a, b *Step) bool {
		return a.Kind == b.Kind && (a.Kind == StepPull || a.Text == b.Text)
	}
	var head, tail []pairOfSteps
	for len(old) > 0 && len(now) > 0 && equal(old[0], now[0]) {
		head = append(head, pairOfSteps{old[0], now[0]})
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && equal(old[len(old)-1], now[len(now)-1]) {
		tail = append([]pairOfSteps{{old[len(old)-1], now[len(now)-1]}}, tail...)
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	if len(old)*len(now) > maxPairs {
		equal = func(*Step, *Step) bool { return false }
	}
	return append(append(head, longestCommon(old, now, equal)...), tail...)
}

// longestCommon pairs the steps of a longest common subsequence. Steps of old without a partner
// come before steps of now without one.
func longestCommon(old, now []*Step, equal func(a, b *Step) bool) []pairOfSteps {
	length := make([][]int32, len(old)+1)
	for i := range length {
		length[i] = make([]int32, len(now)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for k := len(now) - 1; k >= 0; k-- {
			if equal(old[i], now[k]) {
				length[i][k] = length[i+1][k+1] + 1
			} else {
				length[i][k] = max(length[i+1][k], length[i][k+1])
			}
		}
	}
	var list []pairOfSteps
	i, k := 0, 0
	for i < len(old) && k < len(now) {
		switch {
		case equal(old[i], now[k]):
			list = append(list, pairOfSteps{old[i], now[k]})
			i, k = i+1, k+1
		case length[i+1][k] >= length[i][k+1]:
			list = append(list, pairOfSteps{old[i], nil})
			i++
		default:
			list = append(list, pairOfSteps{nil, now[k]})
			k++
		}
	}
	for ; i < len(old); i++ {
		list = append(list, pairOfSteps{old[i], nil})
	}
	for ; k < len(now); k++ {
		list = append(list, pairOfSteps{nil, now[k]})
	}
	return list
}

// WriteText writes the steps that are not the same, one per line, the fields of the image config
// that differ, and a summary.
func (d *Diff) WriteText(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.DiscardEmptyColumns)
	several := map[string]bool{}
	for _, s := range d.Steps {
		several[s.For] = true
	}
	for _, s := range d.Steps {
		if s.Change == Same && !s.Maybe {
			continue
		}
		name := fmt.Sprintf("%s %d", diag.Line(s.Stage), s.N)
		if len(several) > 1 {
			name += " for " + s.For
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s:%d\t%s\n", name, s.sign(), short(s.Text), diag.Line(s.File), s.Line, s.explain())
	}
	_ = t.Flush() // b returns no error
	for _, f := range d.Config {
		name := "config"
		if len(several) > 1 {
			name += " for " + f.For
		}
		fmt.Fprintf(&b, "%s  ~ %s is now %s, was %s\n", name, f.Field, valueText(f.Is), valueText(f.Was))
	}
	switch {
	case !d.Differs():
		fmt.Fprintf(&b, "no difference in %s\n", number(d.Total, "step"))
	case d.Total == 1:
		fmt.Fprintf(&b, "%d of 1 step rebuilds\n", d.Rebuilt)
	default:
		fmt.Fprintf(&b, "%d of %d steps rebuild\n", d.Rebuilt, d.Total)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sign returns the character that marks the change of a step.
func (d *StepDiff) sign() string {
	switch d.Change {
	case Changed:
		return "~"
	case Rebuilt:
		return ">"
	case Added:
		return "+"
	case Removed:
		return "-"
	case Same:
	}
	return "?"
}

// explain returns what has changed in a step, or why it is rebuilt.
func (d *StepDiff) explain() string {
	what := diag.Line(strings.Join(d.What, ", "))
	switch d.Change {
	case Changed:
		return "changed: " + what
	case Rebuilt:
		return "rebuilt: " + what
	case Added, Removed:
		return string(d.Change)
	case Same:
	}
	return "rebuilt if its files differ"
}

// valueText returns the JSON of a value of the image config, or "unset".
func valueText(v any) string {
	if v == nil {
		return "unset"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return diag.Line(string(data))
}
