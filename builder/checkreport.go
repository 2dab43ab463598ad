package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"slipway/diag"
)

// recordFindings returns a function that stores the findings of a check in p until the build
// reports them. In the findings, the function replaces the frontend's file names with the paths
// that the user gave.
func (p *inputs) recordFindings(o *Options) func(diag.List) {
	return func(list diag.List) { p.found = append(diag.List{}, list.Rename(o.paths())...) }
}

// callResult returns the Result for a subrequest in Options.Call. The parameter answer contains
// the files of the frontend's response. If the subrequest is a check, callResult adds the
// findings of the built-in frontend to the file result.json, as the field "diagnostics". Unlike
// findings in upstream's format, these findings have columns.
func (p *inputs) callResult(answer map[string][]byte) (*Result, error) {
	res := &Result{Answer: answer, Found: p.found}
	if p.found == nil {
		return res, nil
	}
	// Upstream's findings in result.json have lines but no columns.
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

// ReportCheck writes the findings of a check as text: a summary, then each finding with its
// lines of the Dockerfile and carets below the range. It returns the number of findings that
// are errors. If color is true, the text has terminal colors.
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
