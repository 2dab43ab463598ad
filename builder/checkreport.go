package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"slipway/diag"
)

// keep returns a function that stores the findings of a check, with the paths of files as
// the user gave them.
func (p *places) keep(o *Options) func(diag.List) {
	return func(list diag.List) { p.found = append(diag.List{}, list.Rename(o.paths())...) }
}

// answered returns the answer to Options.Call.
func (p *places) answered(answer map[string][]byte) (*Result, error) {
	res := &Result{Answer: answer, Found: p.found}
	if p.found == nil {
		return res, nil
	}
	// Upstream's format has lines, but no columns.
	const key = "result.json"
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(answer[key], &fields); err != nil {
		return nil, fmt.Errorf("answer to the check: %w", err)
	}
	var b bytes.Buffer
	err := diag.JSON(&b, p.found)
	if err != nil {
		return nil, err
	}
	fields["diagnostics"] = b.Bytes()
	answer[key], err = json.MarshalIndent(fields, "", "  ")
	return res, err
}

// ReportCheck writes the findings of a check as text: a summary, and then the lines of the
// file with carets below each range. It returns the number of errors.
func (r *Result) ReportCheck(w io.Writer, color bool) (errs int, err error) {
	count := map[diag.Severity]int{}
	for _, d := range r.Found {
		count[d.Severity]++
	}
	var parts []string
	for _, s := range []diag.Severity{diag.Error, diag.Warning} {
		switch n := count[s]; {
		case n == 1:
			parts = append(parts, fmt.Sprintf("1 %s", s))
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, s))
		}
	}
	text := "Check complete, no warnings found.\n"
	switch n := count[diag.Error] + count[diag.Warning]; {
	case n == 1:
		text = fmt.Sprintf("Check complete, %s has been found!\n", parts[0])
	case n > 1:
		text = fmt.Sprintf("Check complete, %s have been found!\n", strings.Join(parts, " and "))
	}
	if len(r.Found) > 0 {
		text += "\n"
	}
	if _, err := io.WriteString(w, text); err != nil {
		return 0, err
	}
	return count[diag.Error], diag.Text(w, r.Found, diag.TextOptions{Color: color})
}
